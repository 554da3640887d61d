namespace Pascl.Training.Recipes;

/// <summary>What computes the losses and BatchNorm; convolutions and matrix products are torch's in every case.</summary>
public enum Backend
{
    /// <summary><see cref="Ilgpu"/> on a GPU, <see cref="Torch"/> on the CPU.</summary>
    Auto,

    /// <summary>Plain torch operations.</summary>
    Torch,

    /// <summary>The kernels of <c>Pascl.Kernels</c>. On the CPU they run on a simulator, which checks them and is far too slow to train.</summary>
    Ilgpu,
}
