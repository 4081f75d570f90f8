-- AlterTable
ALTER TABLE "Node" ADD COLUMN     "address" TEXT,
ADD COLUMN     "draining" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "evictedAt" TIMESTAMP(3),
ADD COLUMN     "keyId" TEXT,
ADD COLUMN     "leaseUntil" TIMESTAMP(3),
ADD COLUMN     "mark" TEXT,
ADD COLUMN     "markedAt" TIMESTAMP(3),
ADD COLUMN     "publicKey" BYTEA;

-- CreateTable
CREATE TABLE "NodeKey" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "prefix" TEXT NOT NULL,
    "hash" BYTEA NOT NULL,
    "previousHash" BYTEA,
    "previousUntil" TIMESTAMP(3),
    "scopes" TEXT[],
    "maxNodes" INTEGER NOT NULL DEFAULT 1,
    "addresses" TEXT[],
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdBy" TEXT NOT NULL,
    "rotatedAt" TIMESTAMP(3),
    "expiresAt" TIMESTAMP(3),
    "disabledAt" TIMESTAMP(3),
    "revokedAt" TIMESTAMP(3),
    "lastUsedAt" TIMESTAMP(3),
    "lastAddress" TEXT,
    "lastNodeId" TEXT,

    CONSTRAINT "NodeKey_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "AuditEntry" (
    "id" BIGSERIAL NOT NULL,
    "at" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "actor" TEXT NOT NULL,
    "actorId" TEXT,
    "address" TEXT,
    "action" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "before" JSONB,
    "after" JSONB,

    CONSTRAINT "AuditEntry_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Lease" (
    "name" TEXT NOT NULL,
    "holder" TEXT NOT NULL,
    "token" BIGINT NOT NULL,
    "until" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Lease_pkey" PRIMARY KEY ("name")
);

-- CreateIndex
CREATE UNIQUE INDEX "NodeKey_name_key" ON "NodeKey"("name");

-- CreateIndex
CREATE UNIQUE INDEX "NodeKey_hash_key" ON "NodeKey"("hash");

-- CreateIndex
CREATE UNIQUE INDEX "NodeKey_previousHash_key" ON "NodeKey"("previousHash");

-- CreateIndex
CREATE INDEX "AuditEntry_at_idx" ON "AuditEntry"("at");

-- CreateIndex
CREATE INDEX "AuditEntry_subject_id_idx" ON "AuditEntry"("subject", "id");

-- CreateIndex
CREATE INDEX "AuditEntry_action_id_idx" ON "AuditEntry"("action", "id");

-- CreateIndex
CREATE INDEX "Node_keyId_idx" ON "Node"("keyId");

-- AddForeignKey
ALTER TABLE "Node" ADD CONSTRAINT "Node_keyId_fkey" FOREIGN KEY ("keyId") REFERENCES "NodeKey"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- The audit log is append-only: nobody changes or deletes an entry, by whatever way.
CREATE FUNCTION "refuse_audit_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is append-only';
END;
$$;
CREATE TRIGGER "AuditEntry_append_only" BEFORE UPDATE OR DELETE ON "AuditEntry"
  FOR EACH ROW EXECUTE FUNCTION "refuse_audit_change"();
CREATE TRIGGER "AuditEntry_no_truncate" BEFORE TRUNCATE ON "AuditEntry"
  FOR EACH STATEMENT EXECUTE FUNCTION "refuse_audit_change"();
