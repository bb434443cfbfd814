"""What is explained: specs, preprocessing with axes and units, verified loading, the cnnexplain network and its training, the zoo."""

from models.spec import Axis, InputSpec, Layer, Model, ModelSpec, Prepared

__all__ = ["Axis", "InputSpec", "Layer", "Model", "ModelSpec", "Prepared"]
