using System.Runtime.InteropServices;

namespace Pascl.Training.Interop;

/// <summary>
/// libtorch's switch for NNPACK, a library for float32 convolutions. On processors that NNPACK does not know, libtorch tries to start it at every convolution and
/// writes a warning each time, so Pascl switches it off; it then computes alike on every processor, too. TorchSharp 0.107 does not offer the switch, so this calls
/// <c>at::Context</c> of libtorch 2.10 by its mangled names.
/// </summary>
internal static unsafe class NnPack
{
    private const string GlobalContext = "_ZN2at13globalContextEv";
    private const string SetUserEnabled = "_ZN2at7Context20setUserEnabledNNPACKEb";
    private const string UserEnabled = "_ZNK2at7Context17userEnabledNNPACKEv";

    /// <summary>Whether libtorch may use NNPACK; null where it has no such switch.</summary>
    /// <param name="libraries">The loaded libraries of libtorch.</param>
    public static bool? IsEnabled(IEnumerable<nint> libraries) =>
        Find(libraries, GlobalContext) is var context and not 0 && Find(libraries, UserEnabled) is var read and not 0
            ? ((delegate* unmanaged<nint, byte>)read)(((delegate* unmanaged<nint>)context)()) != 0
            : null;

    /// <summary>Switches NNPACK off, where there is such a switch; a libtorch without it may have dropped NNPACK.</summary>
    /// <param name="libraries">The loaded libraries of libtorch.</param>
    public static void SwitchOff(IReadOnlyCollection<nint> libraries)
    {
        if (Find(libraries, GlobalContext) is var context and not 0 && Find(libraries, SetUserEnabled) is var write and not 0)
        {
            ((delegate* unmanaged<nint, byte, void>)write)(((delegate* unmanaged<nint>)context)(), 0);
        }
    }

    private static nint Find(IEnumerable<nint> libraries, string symbol) =>
        libraries.Select(library => NativeLibrary.TryGetExport(library, symbol, out var address) ? address : 0).FirstOrDefault(address => address != 0);
}
