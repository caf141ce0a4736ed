"""Serving registered models: from the object store to answers, in process and over the Open Inference Protocol."""
