using System.Runtime.InteropServices;
using TorchSharp;

namespace Pascl.Training.Interop;

/// <summary>
/// Loads libtorch and TorchSharp's native shim before TorchSharp looks for them, so that one build runs on older Linux systems and with any libtorch.
/// </summary>
/// <remarks>
/// libtorch comes from the folder named by <c>LIBTORCH_PATH</c>, else from <c>libtorch</c> beside the application (a published program), else from the
/// package folder that the build noted in <c>runtimeconfig.json</c>. The shim of TorchSharp 0.107.0 names a symbol version (GLIBCXX_3.4.32) that the C++
/// library of Debian 12 and Ubuntu 22.04 does not have, although no code uses the symbol; there a copy in memory is loaded in which that need is optional.
/// </remarks>
public static class NativeLibTorch
{
    /// <summary>The environment variable that names another libtorch's <c>lib</c> folder, for example that of a PyTorch installation with CUDA.</summary>
    public const string PathVariable = "LIBTORCH_PATH";

    private const string ShimName = "LibTorchSharp";
    private static readonly string[] Libraries = ["libc10.so", "libtorch_cpu.so", "libc10_cuda.so", "libtorch_cuda.so", "libtorch.so"];
    private static readonly Lazy<NativeLibTorchReport> Loaded = new(Load);

    /// <summary>How the native libraries were loaded; loads them on the first call.</summary>
    /// <exception cref="DllNotFoundException">A library is missing, or does not fit the shim; the message names the folder and what to do.</exception>
    public static NativeLibTorchReport EnsureLoaded() => Loaded.Value;

    private static NativeLibTorchReport Load()
    {
        if (!OperatingSystem.IsLinux())
        {
            return new NativeLibTorchReport("", "", "left to TorchSharp");
        }

        var folder = FindLibTorch();
        var handles = Libraries.Select(name => Path.Combine(folder, name)).Where(File.Exists).Select(NativeLibrary.Load).ToArray();
        var shim = FindShim();
        var missing = new ElfImage(File.ReadAllBytes(shim)).UndefinedTorchSymbols()
            .Where(symbol => !handles.Any(handle => NativeLibrary.TryGetExport(handle, symbol, out _)))
            .ToArray();
        if (missing.Length > 0)
        {
            throw new DllNotFoundException(
                $"libtorch in {folder} lacks {missing.Length} of the symbols that TorchSharp {typeof(torch).Assembly.GetName().Version?.ToString(3)} needs " +
                $"(first: {missing[0]}). Use libtorch 2.10, or unset {PathVariable} to use the packaged one.");
        }

        var (handle, status) = LoadShim(shim);
        NativeLibrary.SetDllImportResolver(typeof(torch).Assembly, (name, _, _) => name == ShimName ? handle : 0);
        return new NativeLibTorchReport(folder, shim, status);
    }

    private static string FindLibTorch()
    {
        var named = Environment.GetEnvironmentVariable(PathVariable);
        if (!string.IsNullOrEmpty(named))
        {
            return HasLibTorch(named)
                ? named
                : throw new DllNotFoundException($"{PathVariable} is {named}, but there is no libtorch_cpu.so in that folder. Name the lib folder of a libtorch 2.10.");
        }

        string?[] places = [Path.Combine(AppContext.BaseDirectory, "libtorch"), AppContext.GetData("Pascl.LibTorchFolder") as string];
        return places.FirstOrDefault(HasLibTorch)
            ?? throw new DllNotFoundException(
                $"libtorch was not found in {string.Join(" or ", places.OfType<string>())}. Restore the packages again (dotnet restore), or let {PathVariable} name a libtorch 2.10.");

        static bool HasLibTorch(string? folder) => folder is not null && File.Exists(Path.Combine(folder, "libtorch_cpu.so"));
    }

    private static string FindShim()
    {
        var probing = ((AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string) ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        return probing
            .Append(AppContext.BaseDirectory)
            .Append(Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native"))
            .Select(folder => Path.Combine(folder, "libLibTorchSharp.so"))
            .FirstOrDefault(File.Exists)
            ?? throw new DllNotFoundException($"libLibTorchSharp.so was not found beside {AppContext.BaseDirectory}. Restore the packages again (dotnet restore).");
    }

    private static (nint Handle, string Status) LoadShim(string path)
    {
        var image = default(ElfImage);
        var weakened = 0;
        for (var file = path; ;)
        {
            try
            {
                return (NativeLibrary.Load(file), weakened == 0 ? "loaded unchanged" : $"loaded with {weakened} symbol version(s) of a newer libstdc++ made optional");
            }
            catch (DllNotFoundException exception) when (exception.Message.Contains("version `GLIBCXX_", StringComparison.Ordinal))
            {
                image ??= new ElfImage(File.ReadAllBytes(path));
                var more = image.MakeVersionNeedsOptional(name => exception.Message.Contains($"`{name}'", StringComparison.Ordinal));
                if (more == 0)
                {
                    throw;
                }

                weakened += more;
                file = InMemoryFile.Create(ShimName, image.Bytes);
            }
        }
    }
}
