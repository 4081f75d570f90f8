-- AlterTable
ALTER TABLE "ModelLayer" ADD COLUMN     "bytes" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "formats" TEXT[],
ADD COLUMN     "parameters" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "tensors" INTEGER NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "ModelPart" (
    "model" INTEGER NOT NULL,
    "role" TEXT NOT NULL,
    "format" TEXT NOT NULL,
    "tensors" INTEGER NOT NULL,
    "parameters" BIGINT NOT NULL,
    "bytes" BIGINT NOT NULL,

    CONSTRAINT "ModelPart_pkey" PRIMARY KEY ("model","role","format")
);

-- CreateIndex
CREATE INDEX "Attempt_nodeId_startedAt_idx" ON "Attempt"("nodeId", "startedAt");

-- CreateIndex
CREATE INDEX "Attempt_stages_idx" ON "Attempt" USING GIN ("stages" jsonb_path_ops);

-- The sums of models from before. Those of bigint are made of numeric, several times as slow; these are exact
-- up to 2^53, and stop at what a column holds.
UPDATE "ModelLayer" l SET "tensors" = s."tensors", "parameters" = s."parameters", "bytes" = s."bytes",
    "formats" = s."formats"
FROM (
    SELECT "height", count(*)::int AS "tensors",
        least(sum("parameters"::float8), 9223372036854774784)::bigint AS "parameters",
        least(sum("byteLength"::float8), 9223372036854774784)::bigint AS "bytes",
        array_agg(DISTINCT "format") AS "formats"
    FROM "Tensor" WHERE "height" IN (SELECT "height" FROM "ModelLayer") GROUP BY "height"
) s
WHERE s."height" = l."height";

INSERT INTO "ModelPart" ("model", "role", "format", "tensors", "parameters", "bytes")
SELECT l."model", t."role", t."format", count(*)::int,
    least(sum(t."parameters"::float8), 9223372036854774784)::bigint,
    least(sum(t."byteLength"::float8), 9223372036854774784)::bigint
FROM "ModelLayer" l JOIN "Tensor" t ON t."height" = l."height"
GROUP BY l."model", t."role", t."format";
