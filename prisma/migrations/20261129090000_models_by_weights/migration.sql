-- CreateIndex
CREATE INDEX "Model_parameters_height_idx" ON "Model"("parameters", "height");
