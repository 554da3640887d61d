namespace Pascl.Kernels;

/// <summary>How two partial results become one, inside a kernel. The order of the two must not change a bit.</summary>
internal interface IMerge<T>
    where T : unmanaged
{
    /// <summary>The result of both parts.</summary>
    T Merge(T left, T right);
}

/// <summary>left + right.</summary>
internal readonly struct Addition : IMerge<float>, IMerge<int>, IMerge<Pair>
{
    public float Merge(float left, float right) => left + right;

    public int Merge(int left, int right) => left + right;

    public Pair Merge(Pair left, Pair right) => new(left.First + right.First, left.Second + right.Second);
}

/// <summary>The larger one.</summary>
internal readonly struct Maximum : IMerge<float>
{
    public float Merge(float left, float right) => left > right ? left : right;
}
