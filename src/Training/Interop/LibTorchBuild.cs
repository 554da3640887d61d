using System.Runtime.InteropServices;

namespace Pascl.Training.Interop;

/// <summary>What the loaded libtorch says about itself, through functions that TorchSharp does not wrap.</summary>
internal static unsafe class LibTorchBuild
{
    /// <summary>The version, for example <c>2.10.0</c>; <c>unknown</c> where the library does not say.</summary>
    public static string Version => Setting("TORCH_VERSION") ?? "unknown";

    /// <summary>The vector instructions that libtorch chose for this CPU, for example <c>AVX512</c>.</summary>
    public static string CpuCapability => Call("_ZN2at18get_cpu_capabilityB5cxx11Ev") ?? "unknown";

    private static string? Setting(string name)
    {
        var configuration = Call("_ZN2at11show_configB5cxx11Ev") ?? "";
        var start = configuration.IndexOf($"{name}=", StringComparison.Ordinal) + name.Length + 1;
        return start > name.Length ? configuration[start..configuration.IndexOfAny([',', ' ', '\n'], start)] : null;
    }

    // std::string f(): the caller passes the place of the returned object, which begins with the address and the length of its text
    // (libstdc++, C++11 ABI).
    private static string? Call(string symbol)
    {
        var library = NativeLibTorch.EnsureLoaded().LibTorchFolder;
        if (library.Length == 0 ||
            !NativeLibrary.TryGetExport(NativeLibrary.Load(Path.Combine(library, "libtorch_cpu.so")), symbol, out var function))
        {
            return null;
        }

        var returned = stackalloc nint[4];
        _ = ((delegate* unmanaged<nint*, nint>)function)(returned);
        return Marshal.PtrToStringUTF8(returned[0], (int)returned[1]);
    }
}
