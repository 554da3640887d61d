namespace Pascl.Kernels.Device;

/// <summary>What an NVIDIA GPU can do, as its maker numbers it: 8.0 is A100, 9.0 is H100 and H200.</summary>
/// <param name="Major">Generation.</param>
/// <param name="Minor">Variant.</param>
public readonly record struct ComputeCapability(int Major, int Minor) : IComparable<ComputeCapability>
{
    /// <summary>The oldest that kernels are compiled for.</summary>
    public static ComputeCapability Oldest => new(7, 0);

    /// <summary>The first whose tensor cores take bfloat16.</summary>
    public static ComputeCapability TensorCores => new(8, 0);

    /// <inheritdoc/>
    public int CompareTo(ComputeCapability other) => (Major, Minor).CompareTo((other.Major, other.Minor));

    /// <summary>Whether the left is older.</summary>
    public static bool operator <(ComputeCapability left, ComputeCapability right) => left.CompareTo(right) < 0;

    /// <summary>Whether the left is newer.</summary>
    public static bool operator >(ComputeCapability left, ComputeCapability right) => left.CompareTo(right) > 0;

    /// <summary>Whether the left is not newer.</summary>
    public static bool operator <=(ComputeCapability left, ComputeCapability right) => left.CompareTo(right) <= 0;

    /// <summary>Whether the left is not older.</summary>
    public static bool operator >=(ComputeCapability left, ComputeCapability right) => left.CompareTo(right) >= 0;

    /// <inheritdoc/>
    public override string ToString() => $"{Major}.{Minor}";
}
