-- CreateTable
CREATE TABLE "ModelFile" (
    "model" INTEGER NOT NULL,
    "position" SMALLINT NOT NULL,
    "path" TEXT NOT NULL,
    "sha256" BYTEA NOT NULL,
    "source" BOOLEAN NOT NULL,

    CONSTRAINT "ModelFile_pkey" PRIMARY KEY ("model","position")
);

-- CreateIndex
CREATE INDEX "ModelFile_sha256_model_idx" ON "ModelFile"("sha256", "model");
