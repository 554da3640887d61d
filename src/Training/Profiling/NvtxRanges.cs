using System.Runtime.InteropServices;

namespace Pascl.Training.Profiling;

/// <summary>The parts of a step as NVTX ranges, which Nsight Systems shows above the kernels. Outside NVIDIA's tools the calls do nothing.</summary>
internal sealed unsafe class NvtxRanges
{
    // nvToolsExt came with CUDA up to 12, nvtx3interop comes since; libtorch's archives add a hash to the name.
    private static readonly string[] Patterns = ["libnvToolsExt*.so*", "libnvtx3interop*.so*", "nvToolsExt64_1.dll"];
    private static readonly string[] SystemNames =
        ["libnvToolsExt.so.1", "libnvToolsExt.so", "libnvtx3interop.so.1", "libnvtx3interop.so", "nvToolsExt64_1.dll"];

    // Where libtorch lies alone, and where Python's packages put NVIDIA's libraries beside torch/lib.
    private static readonly string[] BesideLibTorch = [".", "../../nvidia/nvtx/lib", "../../nvidia/cu13/lib"];

    private readonly delegate* unmanaged<byte*, int> push;
    private readonly delegate* unmanaged<int> pop;

    // The tools may keep the address, so the names stay where they are as long as the program runs.
    private readonly nint[] names = [.. Enum.GetValues<StepPart>().Select(part => Marshal.StringToCoTaskMemUTF8(part.Name()))];

    /// <summary>Takes the library's functions.</summary>
    /// <param name="export">The address of a function by its name.</param>
    public NvtxRanges(Func<string, nint> export)
    {
        push = (delegate* unmanaged<byte*, int>)export("nvtxRangePushA");
        pop = (delegate* unmanaged<int>)export("nvtxRangePop");
    }

    /// <summary>Looks for the library beside libtorch, then where the system looks; null where there is none.</summary>
    /// <param name="libTorchFolder">The folder of libtorch.</param>
    public static NvtxRanges? Find(string libTorchFolder)
    {
        var folders = BesideLibTorch.Select(folder => Path.GetFullPath(Path.Combine(libTorchFolder, folder))).Where(Directory.Exists);
        var files = folders.SelectMany(folder => Patterns.SelectMany(pattern => Directory.EnumerateFiles(folder, pattern)));
        foreach (var name in files.Concat(SystemNames))
        {
            if (NativeLibrary.TryLoad(name, out var library) && NativeLibrary.TryGetExport(library, "nvtxRangePushA", out _))
            {
                return new NvtxRanges(function => NativeLibrary.GetExport(library, function));
            }
        }

        return null;
    }

    /// <summary>Opens the range of a part on this thread.</summary>
    public void Push(StepPart part) => push((byte*)names[(int)part]);

    /// <summary>Closes the range that was opened last on this thread.</summary>
    public void Pop() => pop();
}
