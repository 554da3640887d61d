namespace Pascl.Kernels.Vectors;

/// <summary>How a kernel turns what it loads into numbers, and back: one element, or 16 bytes of them.</summary>
/// <typeparam name="TStored">What is loaded and stored.</typeparam>
/// <typeparam name="TLanes">What is computed with.</typeparam>
internal interface ICodec<TStored, TLanes>
    where TStored : unmanaged
    where TLanes : unmanaged, ILanes<TLanes>
{
    static abstract TLanes Read(TStored stored);

    static abstract TStored Write(TLanes lanes);
}
