namespace Pascl.Training.Deployment;

/// <summary>How a deployed model takes its pixels.</summary>
public enum PixelType
{
    /// <summary>Bytes from 0 to 255, as decoders give them.</summary>
    UInt8,

    /// <summary>float32 in [0, 1].</summary>
    Float,
}
