using System.Runtime.InteropServices;
using Pascl.Training.Interop;

namespace Pascl.Tests.Training.Interop;

/// <summary>
/// The operations that libtorch runs on this thread until it is disposed, inner ones too, noted through the hook that libtorch's own profiler uses
/// (<c>at::addThreadLocalCallback</c>).
/// </summary>
internal sealed unsafe class TorchOperations : IDisposable
{
    [ThreadStatic]
    private static List<string>? noted;

    private static readonly nint library = NativeLibrary.Load(Path.Combine(NativeLibTorch.EnsureLoaded().LibTorchFolder, "libtorch_cpu.so"));
    private static readonly delegate* unmanaged<Callback, ulong> add =
        (delegate* unmanaged<Callback, ulong>)NativeLibrary.GetExport(library, "_ZN2at22addThreadLocalCallbackENS_22RecordFunctionCallbackE");

    private static readonly delegate* unmanaged<ulong, void> remove =
        (delegate* unmanaged<ulong, void>)NativeLibrary.GetExport(library, "_ZN2at14removeCallbackEm");

    private static readonly delegate* unmanaged<nint, nint> nameOf =
        (delegate* unmanaged<nint, nint>)NativeLibrary.GetExport(library, "_ZNK2at14RecordFunction4nameEv");

    private readonly List<string> names = [];
    private readonly ulong handle;

    public TorchOperations()
    {
        noted = names;
        handle = add(new Callback { Start = (nint)(delegate* unmanaged<nint*, nint, nint*>)&Note, SamplingProbability = 1, Operations = 1 });
    }

    /// <summary>Names such as <c>aten::add</c>, in their order.</summary>
    public IReadOnlyList<string> Names => names;

    public void Dispose()
    {
        remove(handle);
        noted = null;
    }

    // A C++ function that returns a unique_ptr takes the place for it as its first argument; there is nothing to keep until the operation's end.
    [UnmanagedCallersOnly]
    private static nint* Note(nint* kept, nint operation)
    {
        *kept = 0;
        noted?.Add(Marshal.PtrToStringUTF8(nameOf(operation))!);
        return kept;
    }

    // at::RecordFunctionCallback: two functions, a probability, a flag for each of the scopes, of which operations are the first, and three flags for more
    // than a name.
    [StructLayout(LayoutKind.Sequential, Size = 40)]
    private struct Callback
    {
        public nint Start;
        public nint End;
        public double SamplingProbability;
        public byte Operations;
    }
}
