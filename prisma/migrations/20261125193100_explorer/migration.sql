-- AlterTable
ALTER TABLE "ChainHead" ADD COLUMN     "bytes" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "indexed" INTEGER NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "LogNode" (
    "chain" CHAR(1) NOT NULL,
    "level" SMALLINT NOT NULL,
    "index" INTEGER NOT NULL,
    "hash" BYTEA NOT NULL,

    CONSTRAINT "LogNode_pkey" PRIMARY KEY ("chain","level","index")
);

-- CreateTable
CREATE TABLE "Tensor" (
    "height" INTEGER NOT NULL,
    "position" SMALLINT NOT NULL,
    "group" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "dtype" TEXT NOT NULL,
    "format" TEXT NOT NULL,
    "shape" BIGINT[],
    "parameters" BIGINT NOT NULL,
    "byteLength" BIGINT NOT NULL,
    "root" BYTEA NOT NULL,

    CONSTRAINT "Tensor_pkey" PRIMARY KEY ("height","position")
);

-- CreateTable
CREATE TABLE "TensorName" (
    "name" TEXT NOT NULL,

    CONSTRAINT "TensorName_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "Model" (
    "height" INTEGER NOT NULL,
    "hash" BYTEA NOT NULL,
    "name" TEXT NOT NULL,
    "family" TEXT NOT NULL,
    "parameters" BIGINT NOT NULL,
    "recipe" TEXT NOT NULL,
    "layers" INTEGER NOT NULL,
    "retired" INTEGER,

    CONSTRAINT "Model_pkey" PRIMARY KEY ("height")
);

-- CreateTable
CREATE TABLE "ModelLayer" (
    "model" INTEGER NOT NULL,
    "position" INTEGER NOT NULL,
    "group" TEXT NOT NULL,
    "block" BYTEA NOT NULL,
    "height" INTEGER,

    CONSTRAINT "ModelLayer_pkey" PRIMARY KEY ("model","position")
);

-- CreateIndex
CREATE INDEX "Tensor_root_height_idx" ON "Tensor"("root", "height");

-- CreateIndex
CREATE INDEX "Tensor_name_height_idx" ON "Tensor"("name", "height");

-- CreateIndex
CREATE UNIQUE INDEX "Model_hash_key" ON "Model"("hash");

-- CreateIndex
CREATE INDEX "Model_name_height_idx" ON "Model"("name", "height");

-- CreateIndex
CREATE INDEX "ModelLayer_height_idx" ON "ModelLayer"("height");

-- CreateIndex
CREATE INDEX "ModelLayer_group_model_idx" ON "ModelLayer"("group", "model");

-- CreateIndex
CREATE INDEX "Block_chain_author_height_idx" ON "Block"("chain", "author", "height");

-- CreateIndex
CREATE INDEX "Block_chain_time_idx" ON "Block"("chain", "time");

-- CreateIndex
CREATE INDEX "Request_model_idx" ON "Request"("model");

-- The search by words of a name: "q proj", "layers.3". Full text search is part of PostgreSQL itself,
-- unlike trigrams, and finds words by their beginning. Indexes over expressions are not Prisma's matter.
CREATE INDEX "TensorName_words_idx" ON "TensorName"
    USING GIN (to_tsvector('simple', translate("name", '._-/:', '     ')));
CREATE INDEX "Model_words_idx" ON "Model"
    USING GIN (to_tsvector('simple', translate("name", '._-/:', '     ')));
