namespace Pascl.Training.Interop;

/// <summary>The arithmetic of the convolutions. Parameters, BatchNorm statistics, classifiers, losses and optimiser are float32 in every case.</summary>
public enum Precision
{
    /// <summary>
    /// <see cref="BFloat16"/> on processors that are faster in it (amx_bf16, and avx512_bf16 of AMD), where a training step takes about half the time of
    /// <see cref="Float32"/> at widths 16, 32 and 64 on 32x32 images; <see cref="Float32"/> on the others, where it is the faster one.
    /// </summary>
    Auto,

    /// <summary>IEEE single precision.</summary>
    Float32,

    /// <summary>bfloat16 factors with float32 sums, by autocast. It has float32's range, so gradients need no scaling.</summary>
    BFloat16,
}
