using System.Runtime.InteropServices;

namespace Pascl.Kernels;

/// <summary>What the backward pass needs to know of a row; 16 bytes, so that a GPU reads it at once.</summary>
/// <param name="push">w / (M Z) with a fixed shift, w / M with a shift of the row's own; 0 for outliers.</param>
/// <param name="pull">w / (M |P|); 0 for outliers.</param>
/// <param name="logSum">log2 Z; only used with a shift of the row's own.</param>
/// <param name="label">The class; -1 for outliers.</param>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal readonly struct ContrastiveRow(float push, float pull, float logSum, int label)
{
    public readonly float Push = push;
    public readonly float Pull = pull;
    public readonly float LogSum = logSum;
    public readonly int Label = label;

    /// <summary>A row that is no anchor. Against its sum every exponential vanishes.</summary>
    public static ContrastiveRow NoAnchor => new(0, 0, float.MaxValue, -1);
}
