"""Will a device's runtime take an ONNX file, and run it as it was meant? Answered from the file alone."""
