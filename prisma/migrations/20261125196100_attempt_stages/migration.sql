-- AlterTable
ALTER TABLE "Attempt" ADD COLUMN     "stages" JSONB;
