-- CreateEnum
CREATE TYPE "RequestStatus" AS ENUM ('queued', 'running', 'completed', 'cancelled', 'failed');

-- CreateTable
CREATE TABLE "Block" (
    "chain" CHAR(1) NOT NULL,
    "height" INTEGER NOT NULL,
    "hash" BYTEA NOT NULL,
    "type" TEXT NOT NULL,
    "time" BIGINT NOT NULL,
    "author" BYTEA NOT NULL,
    "header" BYTEA NOT NULL,
    "body" BYTEA NOT NULL,
    "bodyHash" BYTEA NOT NULL,
    "signature" BYTEA NOT NULL,
    "storedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Block_pkey" PRIMARY KEY ("chain","height")
);

-- CreateTable
CREATE TABLE "ChainHead" (
    "chain" CHAR(1) NOT NULL,
    "size" INTEGER NOT NULL,
    "hash" BYTEA NOT NULL,
    "frontier" BYTEA NOT NULL,
    "checkpoint" BYTEA NOT NULL,

    CONSTRAINT "ChainHead_pkey" PRIMARY KEY ("chain")
);

-- CreateTable
CREATE TABLE "BlockEvidence" (
    "hash" BYTEA NOT NULL,
    "chain" CHAR(1) NOT NULL,
    "height" INTEGER NOT NULL,
    "header" BYTEA NOT NULL,
    "body" BYTEA NOT NULL,
    "signature" BYTEA NOT NULL,
    "seenAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "BlockEvidence_pkey" PRIMARY KEY ("hash")
);

-- CreateTable
CREATE TABLE "Request" (
    "id" TEXT NOT NULL,
    "status" "RequestStatus" NOT NULL DEFAULT 'queued',
    "model" BYTEA NOT NULL,
    "prompt" INTEGER[],
    "params" JSONB NOT NULL,
    "stop" TEXT[],
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "cancelled" BOOLEAN NOT NULL DEFAULT false,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "deadline" TIMESTAMP(3) NOT NULL,
    "startedAt" TIMESTAMP(3),
    "finishedAt" TIMESTAMP(3),
    "output" INTEGER[],
    "text" TEXT,
    "finishReason" TEXT,
    "errorCode" TEXT,
    "errorMessage" TEXT,
    "receipt" JSONB,

    CONSTRAINT "Request_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Attempt" (
    "requestId" TEXT NOT NULL,
    "attempt" INTEGER NOT NULL,
    "nodeId" TEXT NOT NULL,
    "startedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "endedAt" TIMESTAMP(3),
    "outcome" TEXT,
    "position" INTEGER NOT NULL DEFAULT 0,
    "layers" INTEGER[],
    "numerics" JSONB,

    CONSTRAINT "Attempt_pkey" PRIMARY KEY ("requestId","attempt")
);

-- CreateTable
CREATE TABLE "Node" (
    "id" TEXT NOT NULL,
    "version" TEXT NOT NULL,
    "host" TEXT,
    "registeredAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastSeenAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Node_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "Block_hash_key" ON "Block"("hash");

-- CreateIndex
CREATE INDEX "Block_bodyHash_idx" ON "Block"("bodyHash");

-- CreateIndex
CREATE INDEX "Block_chain_type_height_idx" ON "Block"("chain", "type", "height");

-- CreateIndex
CREATE INDEX "BlockEvidence_chain_height_idx" ON "BlockEvidence"("chain", "height");

-- CreateIndex
CREATE INDEX "Request_status_createdAt_idx" ON "Request"("status", "createdAt");

-- CreateIndex
CREATE INDEX "Request_createdAt_idx" ON "Request"("createdAt");

-- AddForeignKey
ALTER TABLE "Attempt" ADD CONSTRAINT "Attempt_requestId_fkey" FOREIGN KEY ("requestId") REFERENCES "Request"("id") ON DELETE CASCADE ON UPDATE CASCADE;
