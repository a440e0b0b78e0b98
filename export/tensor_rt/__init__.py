"""TensorRT: a model and a frozen recipe that travel, and the engine that is built from them where it runs."""
