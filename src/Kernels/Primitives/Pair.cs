namespace Pascl.Kernels;

/// <summary>Two numbers that are reduced together.</summary>
internal readonly struct Pair(float first, float second)
{
    public readonly float First = first;
    public readonly float Second = second;
}
