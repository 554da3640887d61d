namespace Pascl.Kernels;

/// <summary>How <see cref="Similarity"/> multiplies.</summary>
public enum SimilarityVariant
{
    /// <summary>A thread per element of the result, reading all it needs from memory: the readable rung.</summary>
    Naive,

    /// <summary>Tiles in shared memory, and 8 x 8 elements of the result per thread in registers.</summary>
    Tiled,
}
