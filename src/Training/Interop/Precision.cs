namespace Pascl.Training.Interop;

/// <summary>The arithmetic of the convolutions. Parameters, BatchNorm statistics, classifier, losses and optimiser are float32 in every case.</summary>
public enum Precision
{
    /// <summary><see cref="BFloat16"/> where this processor computes it natively and it is faster at the model's width, otherwise <see cref="Float32"/>.</summary>
    Auto,

    /// <summary>IEEE single precision.</summary>
    Float32,

    /// <summary>bfloat16 inputs with float32 sums, by autocast. It has float32's range, so gradients need no scaling.</summary>
    BFloat16,
}
