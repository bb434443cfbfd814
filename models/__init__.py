"""What is explained: specs, preprocessing with axes and units, verified loading, the cnnexplain network and its training, the zoo."""

from models.inputs.image import ImageInput
from models.loading import architecture, from_file, load, specs, wrap
from models.spec import Axis, InputSpec, Layer, Model, ModelSpec, Prepared

__all__ = [
    "Axis", "ImageInput", "InputSpec", "Layer", "Model", "ModelSpec", "Prepared", "architecture", "from_file", "load", "specs", "wrap",
]  # fmt: skip
