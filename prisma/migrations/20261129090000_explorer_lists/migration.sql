-- DropIndex
DROP INDEX "ModelLayer_height_idx";

-- CreateIndex
CREATE INDEX "Model_parameters_height_idx" ON "Model"("parameters", "height");

-- CreateIndex
CREATE INDEX "ModelLayer_height_model_idx" ON "ModelLayer"("height", "model");
