using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using TorchSharp;

namespace Pascl.Training.Interop;

/// <summary>
/// Loads libtorch and TorchSharp's native shim before TorchSharp looks for them, so that one build runs on older Linux systems and with any
/// libtorch.
/// </summary>
/// <remarks>
/// libtorch comes from the folder named by <c>LIBTORCH_PATH</c>, else from <c>libtorch</c> beside the application (a published program), else from the
/// application's own folder (a build with <c>-p:LibTorch=cuda</c>), else from the package folder that the build noted in <c>runtimeconfig.json</c>, else (the tool of
/// <c>dotnet tool install</c>) from NuGet's folder of packages. The shim of TorchSharp 0.107.0 names a symbol version
/// (GLIBCXX_3.4.32) that the C++ library of Debian 12 and Ubuntu 22.04 does not have, although no code uses the symbol; there a copy in
/// memory is loaded in which that need is optional.
/// </remarks>
public static class NativeLibTorch
{
    /// <summary>The environment variable that names another libtorch's <c>lib</c> folder, for example that of PyTorch with CUDA.</summary>
    public const string PathVariable = "LIBTORCH_PATH";

    private const string ShimName = "LibTorchSharp";
    private const string UseThePackaged = $"unset {PathVariable} to use the packaged one";
    private static readonly string[] Libraries = ["libc10.so", "libtorch_cpu.so", "libc10_cuda.so", "libtorch_cuda.so", "libtorch.so"];
    private static readonly Lazy<NativeLibTorchReport> Loaded = new(Load);

    /// <summary>How the native libraries were loaded; loads them on the first call.</summary>
    /// <exception cref="InputException">A library is missing, damaged, or does not fit the shim.</exception>
    public static NativeLibTorchReport EnsureLoaded() => Loaded.Value;

    private static NativeLibTorchReport Load()
    {
        if (!OperatingSystem.IsLinux())
        {
            return new NativeLibTorchReport("", "", "left to TorchSharp", "OpenMP's own");
        }

        var folder = FindLibTorch();
        var waitPolicy = WaitPolicy.Apply();
        var libraries = Libraries.Select(name => Path.Combine(folder, name)).Where(File.Exists).Select(LoadLibrary).ToArray();
        var shim = FindShim();
        var image = Reading(shim, path => new ElfImage(File.ReadAllBytes(path)));
        RequireSymbols(image, libraries, folder);
        var (handle, status) = Reading(shim, path => LoadShim(path, image));
        DllImportResolver resolver = (name, _, _) => name == ShimName ? handle : 0;
        NativeLibrary.SetDllImportResolver(typeof(torch).Assembly, resolver);
        NativeLibrary.SetDllImportResolver(typeof(NativeLibTorch).Assembly, resolver);
        NnPack.SwitchOff(libraries);
        return new NativeLibTorchReport(folder, shim, status, waitPolicy);
    }

    private static string FindLibTorch()
    {
        var named = Environment.GetEnvironmentVariable(PathVariable);
        if (!string.IsNullOrEmpty(named))
        {
            var folder = Path.GetFullPath(named);
            return HasLibTorch(folder) ? folder : throw new InputException(
                $"{PathVariable} is {named}, but there is no libtorch_cpu.so in that folder. " +
                $"Name the lib folder of a libtorch 2.10, or {UseThePackaged}.");
        }

        string?[] places = [Path.Combine(AppContext.BaseDirectory, "libtorch"), AppContext.BaseDirectory, AppContext.GetData("Pascl.LibTorchFolder") as string, Packaged()];
        return places.FirstOrDefault(HasLibTorch) ?? throw new InputException(
            $"libtorch was not found in {string.Join(" or ", places.OfType<string>())}. " +
            (Packaged() is null ? "Restore the packages again (dotnet restore), or let " : "This tool comes without it: restore a project that references Pascl.Training, or let ") +
            $"{PathVariable} name the lib folder of a libtorch 2.10, such as torch/lib of a Python installation.");

        static string? Packaged() => AppContext.GetData("Pascl.LibTorchPackage") is string package
            ? Path.Combine(
                Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } packages ? packages
                    : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages"),
                package)
            : null;

        static bool HasLibTorch(string? folder) => folder is not null && File.Exists(Path.Combine(folder, "libtorch_cpu.so"));
    }

    private static string FindShim()
    {
        var probing = (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string) ?? "";
        return probing.Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Append(AppContext.BaseDirectory)
            .Append(Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native"))
            .Select(folder => Path.Combine(folder, $"lib{ShimName}.so"))
            .FirstOrDefault(File.Exists)
            ?? throw new InputException(
                $"lib{ShimName}.so was not found in {AppContext.BaseDirectory}. Restore the packages again (dotnet restore) and build.");
    }

    private static nint LoadLibrary(string path) => Reading(path, static path =>
    {
        ElfImage.CheckComplete(path);
        return NativeLibrary.Load(path);
    });

    // Most symbols are bound when they are first called, and a missing one then ends the process: better to know before.
    private static void RequireSymbols(ElfImage shim, nint[] libraries, string folder)
    {
        var missing = shim.RequiredSymbols()
            .Where(symbol => !libraries.Any(library => NativeLibrary.TryGetExport(library, symbol, out _)))
            .ToArray();
        if (missing.Length > 0)
        {
            throw new InputException(
                $"libtorch in {folder} lacks {missing.Length} of the symbols that TorchSharp " +
                $"{typeof(torch).Assembly.GetName().Version?.ToString(3)} needs (first: {missing[0]}). " +
                $"Use libtorch 2.10, or {UseThePackaged}.");
        }
    }

    private static (nint Handle, string Status) LoadShim(string path, ElfImage image)
    {
        try
        {
            return (NativeLibrary.Load(path), "loaded unchanged");
        }
        catch (DllNotFoundException exception) when (exception.Message.Contains("version `GLIBCXX_", StringComparison.Ordinal))
        {
            var changed = image.MakeUnusedVersionNeedsOptional();
            var handle = NativeLibraryCopy.Load(ShimName, image.Bytes);
            return (handle, $"loaded as a copy in which {changed} unused version of a newer libstdc++ is optional");
        }
    }

    private static T Reading<T>(string path, Func<string, T> read)
    {
        try
        {
            return read(path);
        }
        catch (Exception exception)
            when (exception is DllNotFoundException or BadImageFormatException or IOException or UnauthorizedAccessException)
        {
            // The runtime puts general advice before the system loader's own words.
            var reason = exception.Message.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1].Trim().TrimEnd('.');
            throw new InputException(
                $"{path} could not be loaded: {reason}. " +
                $"Restore the packages again (dotnet restore), or let {PathVariable} name the lib folder of a complete libtorch 2.10.",
                exception);
        }
    }
}

/// <summary>Where the native libraries came from.</summary>
/// <param name="LibTorchFolder">The folder of libtorch; empty where loading is left to TorchSharp.</param>
/// <param name="ShimPath">TorchSharp's native shim.</param>
/// <param name="Status">How the shim was loaded.</param>
/// <param name="WaitPolicy">How the threads of libtorch's arithmetic wait for each other, and who chose it.</param>
public sealed record NativeLibTorchReport(string LibTorchFolder, string ShimPath, string Status, string WaitPolicy);

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

/// <summary>Loads a native library from bytes.</summary>
internal static partial class NativeLibraryCopy
{
    private const uint CloseOnExec = 1;

    /// <summary>Loads the library from memory, or from a temporary file on systems that refuse to run code from memory files.</summary>
    /// <exception cref="DllNotFoundException">Neither worked; the message is the system loader's.</exception>
    public static nint Load(string name, ReadOnlySpan<byte> library)
    {
        var handle = FromMemory(name, library);
        return handle != 0 ? handle : FromTemporaryFile(name, library);
    }

    /// <summary>Loads the library from a file that exists in memory only (Linux memfd); 0 where that is not allowed.</summary>
    public static nint FromMemory(string name, ReadOnlySpan<byte> library)
    {
        var descriptor = MemoryFileCreate(name, CloseOnExec);
        if (descriptor < 0)
        {
            return 0;
        }

        // Not owned: the loader knows the library by this path, so the descriptor's number must never be given to another file.
        using var file = new SafeFileHandle(descriptor, ownsHandle: false);
        RandomAccess.Write(file, library, 0);
        return NativeLibrary.TryLoad($"/proc/self/fd/{descriptor}", out var handle) ? handle : 0;
    }

    /// <summary>Loads the library from a temporary file; a loaded library stays in memory when its file is gone.</summary>
    public static nint FromTemporaryFile(string name, ReadOnlySpan<byte> library)
    {
        var folder = Directory.CreateTempSubdirectory("pascl-library-");
        try
        {
            var path = Path.Combine(folder.FullName, $"lib{name}.so");
            File.WriteAllBytes(path, library);
            return NativeLibrary.Load(path);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [LibraryImport("libc", EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MemoryFileCreate(string name, uint flags);
}

/// <summary>
/// How the threads of libtorch's arithmetic (OpenMP's) wait for each other. By themselves they spin for milliseconds, and beside another busy process they spin
/// on the processor that the thread they wait for needs; RESULTS.md has what that costs.
/// </summary>
internal static partial class WaitPolicy
{
    /// <summary>OpenMP's own variable: <c>active</c> or <c>passive</c>.</summary>
    public const string PolicyVariable = "OMP_WAIT_POLICY";

    /// <summary>How often a thread of GNU's OpenMP looks before it sleeps.</summary>
    public const string SpinVariable = "GOMP_SPINCOUNT";

    private const string Policy = "passive";
    private const string Spins = "0";

    /// <summary>Sets both variables, unless the user set one of them. OpenMP reads them when it is loaded, so this comes before libtorch.</summary>
    /// <returns>What is in force and who chose it, for people.</returns>
    public static string Apply()
    {
        string?[] given = [Given(PolicyVariable), Given(SpinVariable)];
        if (given.Any(setting => setting is not null))
        {
            return $"{string.Join(", ", given.OfType<string>())} (set by the user)";
        }

        // .NET keeps variables of its own; native code sees only those of the C library.
        return Set(PolicyVariable, Policy, overwrite: 0) == 0 && Set(SpinVariable, Spins, overwrite: 0) == 0
            ? $"{PolicyVariable}={Policy}, {SpinVariable}={Spins} (set by Pascl)"
            : "OpenMP's own (the environment could not be changed)";
    }

    private static string? Given(string name) => Environment.GetEnvironmentVariable(name) is { } value ? $"{name}={value}" : null;

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Set(string name, string value, int overwrite);
}

/// <summary>
/// Memory that a training step frees stays with the process for the next step. By itself the C library gives every block above 32 MiB back to the system, and the next
/// step asks for it anew: the system then clears it page by page, a tenth of the time of a step at width 16 and more beside other work (RESULTS.md).
/// </summary>
internal static unsafe partial class FreedMemory
{
    // M_TRIM_THRESHOLD and M_MMAP_MAX of glibc's malloc.h; -1 is no limit.
    private const int TrimThreshold = -1;
    private const int MostMappings = -4;

    /// <summary>What people set who want it otherwise.</summary>
    private static readonly string[] variables = ["GLIBC_TUNABLES", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"];

    /// <summary>What becomes of it while the calling thread trains, and why, for people.</summary>
    public static string Status => Obstacle() ?? "kept by the process while it trains (set by Pascl)";

    /// <summary>
    /// Keeps it from now on, where the calling thread, which is to train, is the program's main thread: that allocates in the heap that grows as a whole. The arenas of
    /// other threads consist of pieces of 64 MiB, in which large blocks that were freed are often not found again.
    /// </summary>
    /// <returns>Whether it is kept.</returns>
    public static bool Keep() => Obstacle() is null && Set(MostMappings, 0) && Set(TrimThreshold, -1);

    /// <summary>
    /// Gives what is free at the moment back. While it is kept, the heap grows between two calls: freed blocks fall into pieces that the next large block does not fit in, because
    /// libtorch asks for aligned ones.
    /// </summary>
    public static void GiveBack() => _ = Trim(0);

    private static string? Obstacle() =>
        variables.FirstOrDefault(name => Environment.GetEnvironmentVariable(name) is not null) is { } variable ? $"as {variable} says (set by the user)"
        : Option() == 0 ? "left to the C library, which is not glibc"
        : ThreadId() != Environment.ProcessId ? "given back to the system, because this is not the main thread"
        : null;

    private static bool Set(int option, int value) => ((delegate* unmanaged<int, int, int>)Option())(option, value) == 1;

    private static nint Option() =>
        OperatingSystem.IsLinux() && NativeLibrary.TryLoad("libc.so.6", out var library) && NativeLibrary.TryGetExport(library, "mallopt", out var set) ? set : 0;

    [LibraryImport("libc", EntryPoint = "gettid")]
    private static partial int ThreadId();

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int Trim(nuint keep);
}

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
