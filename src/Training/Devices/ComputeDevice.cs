using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Text.Json.Serialization;
using Pascl.Kernels.Device;
using Pascl.Kernels.Ptx;
using Pascl.Training.Ranks;
using TorchSharp;

namespace Pascl.Training.Devices;

/// <summary>Where a run computes: torch's device, and beside it the device of the kernels where they are used.</summary>
public sealed class ComputeDevice : IDisposable
{
    private ComputeDevice(torch.Device torch, KernelDevice? kernels) => (Torch, Kernels) = (torch, kernels);

    /// <summary>Where the tensors are.</summary>
    public torch.Device Torch { get; }

    /// <summary>What the losses and BatchNorm run on, in the same memory; null where they are plain torch operations.</summary>
    public KernelDevice? Kernels { get; }

    /// <summary>Whether a GPU has tensor cores for bfloat16, from compute capability 8.0 on; older ones emulate it.</summary>
    public bool MultipliesBFloat16 => Torch.type == DeviceType.CUDA && (Kernels?.HasTensorCores ?? KernelDevice.HasTensorCoresOf(Torch.index));

    /// <summary>Opens a device.</summary>
    /// <param name="device"><c>cpu</c>, <c>cuda:i</c>, or <c>auto</c>: the first GPU that this libtorch can use (of several ranks on a machine the second has the second one), and the CPU where there is none.</param>
    /// <param name="backend">What computes the losses and BatchNorm.</param>
    /// <exception cref="InputException">There is no such device, or this libtorch or the ranks' NCCL cannot use it.</exception>
    /// <exception cref="DeviceException">The kernels cannot use it.</exception>
    public static ComputeDevice Open(string device, Backend backend)
    {
        var gpu = GpuIndex(device);
        var place = gpu is null ? torch.CPU : new torch.Device(DeviceType.CUDA, gpu.Value);
        ProcessGroup.Current.Connect(place);
        var usesKernels = backend == Backend.Ilgpu || (backend == Backend.Auto && gpu is not null);
        var kernels = !usesKernels ? null : KernelDevice.Open(gpu is { } index ? $"cuda:{index}" : "simulator");
        return new ComputeDevice(place, kernels);
    }

    /// <summary>The CPU, with kernels that only count what their code would do on a GPU: what they compute is not to be used.</summary>
    internal static ComputeDevice OpenCounter(GpuRates gpu, long mostInstructions, Action<KernelWork> observer) =>
        new(torch.CPU, KernelDevice.OpenCounter(gpu, mostInstructions, observer));

    /// <inheritdoc/>
    public override string ToString() => Kernels switch
    {
        null => $"{Torch} with torch operations",
        { IsSimulator: true } => "cpu with ILGPU kernels on the simulator, which checks them and is far too slow to train",
        _ => $"{Kernels.Name} with ILGPU kernels",
    };

    /// <inheritdoc/>
    public void Dispose() => Kernels?.Dispose();

    /// <summary>The GPU of a rank. Each rank of a machine has one of its own: two would wait for each other.</summary>
    /// <param name="localRank">Number of the rank among those of its machine.</param>
    /// <param name="found">GPUs that it sees.</param>
    /// <param name="areItsOwn">Whether the other ranks see others.</param>
    /// <exception cref="InputException">There are fewer GPUs than ranks.</exception>
    internal static int OwnGpu(int localRank, int found, bool areItsOwn) => localRank < found ? localRank : areItsOwn ? 0 : throw new InputException(
        $"This is rank {localRank + 1} of its machine, but libtorch finds {found} GPU(s) there; start as many ranks as there are GPUs, or name one with --device.");

    // The number of a GPU that libtorch can use, or null for the CPU.
    private static int? GpuIndex(string device)
    {
        const string Gpu = "cuda:";
        switch (device)
        {
            case "cpu":
                return null;
            case "auto":
                return torch.cuda.is_available() ? OwnGpu(ProcessGroup.Current.LocalRank, (int)torch.cuda.device_count(), RankStarter.HasGpusOfItsOwn) : null;
            case var _ when device.StartsWith(Gpu, StringComparison.Ordinal)
                && int.TryParse(device.AsSpan(Gpu.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var index):
                RequireGpu(device, index);
                return index;
            default:
                throw new InputException($"There is no device {device}; use auto, cpu, or cuda: and the number of a GPU, such as cuda:0.");
        }
    }

    private static void RequireGpu(string device, int index)
    {
        if (!torch.cuda.is_available())
        {
            throw new InputException(
                $"{device} cannot be used: this libtorch finds no GPU. Let LIBTORCH_PATH name the lib folder of a PyTorch with CUDA, or use --device cpu.");
        }

        if (index >= torch.cuda.device_count())
        {
            throw new InputException($"There is no {device}; libtorch finds {torch.cuda.device_count()} GPU(s), numbered from 0.");
        }
    }
}

/// <summary>What computes the losses and BatchNorm; convolutions and matrix products are torch's in every case.</summary>
public enum Backend
{
    /// <summary><see cref="Ilgpu"/> on a GPU, <see cref="Torch"/> on the CPU.</summary>
    Auto,

    /// <summary>Plain torch operations.</summary>
    Torch,

    /// <summary>The kernels of <c>Pascl.Kernels</c>. On the CPU they run on a simulator, which checks them and is far too slow to train.</summary>
    Ilgpu,
}

/// <summary>Vector extensions of this CPU that decide how fast libtorch computes.</summary>
internal static class CpuFeatures
{
    /// <summary>
    /// Whether bfloat16 is faster than float32. Having the instructions is not enough: without AMX an Intel processor (Sapphire Rapids in a virtual machine that hides it)
    /// trained networks of width 16 and 64 at 0.85 and 0.65 of float32's speed by avx512_bf16, where an AMD EPYC is twice as fast.
    /// </summary>
    public static bool IsFastInBFloat16 => HasAmxBFloat16 || (HasAvx512BFloat16 && IsAmd);

    /// <summary>The names, as Linux writes them, of the features that are present.</summary>
    public static IEnumerable<string> Names => new (string Name, bool Present)[]
    {
        ("avx2", Avx2.IsSupported),
        ("avx512f", Avx512F.IsSupported),
        ("avx512_bf16", HasAvx512BFloat16),
        ("amx_bf16", HasAmxBFloat16),
    }.Where(feature => feature.Present).Select(feature => feature.Name);

    // Bits of CPUID leaf 7: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2A, CPUID.
    private static bool HasAvx512BFloat16 => Avx512F.IsSupported && (Leaf7(subLeaf: 1).Eax & (1 << 5)) != 0;

    private static bool HasAmxBFloat16 => Avx512F.IsSupported && (Leaf7(subLeaf: 0).Edx & (1 << 22)) != 0;

    private static bool IsAmd => X86Base.CpuId(0, 0) is (_, 0x68747541, 0x444D4163, 0x69746E65); // "Auth" "cAMD" "enti", which is read in the order ebx, edx, ecx

    private static (int Eax, int Ebx, int Ecx, int Edx) Leaf7(int subLeaf) => X86Base.CpuId(7, subLeaf);
}

/// <summary>The arithmetic of the convolutions. Parameters, BatchNorm statistics, classifiers, losses and optimiser are float32 in every case.</summary>
public enum Precision
{
    /// <summary>
    /// <see cref="BFloat16"/> on processors that are faster in it (amx_bf16, and avx512_bf16 of AMD), where a training step takes about half the time of
    /// <see cref="Float32"/> at widths 16, 32 and 64 on 32x32 images; <see cref="Float32"/> on the others, where it is the faster one.
    /// </summary>
    Auto,

    /// <summary>IEEE single precision.</summary>
    Float32,

    /// <summary>bfloat16 factors with float32 sums, by autocast. It has float32's range, so gradients need no scaling.</summary>
    [JsonStringEnumMemberName("bf16")]
    BFloat16,
}

/// <summary>
/// PyTorch's <c>torch.autocast</c> as a scope: inside it, convolutions and matrix products on one device run in the scope's precision. TorchSharp 0.107
/// does not offer it, so this calls the C++ functions (<c>at::autocast</c>, libtorch 2.10) that Python calls; their names are mangled by the Itanium C++ ABI.
/// The state belongs to the thread, so a scope must end on the thread that began it.
/// </summary>
internal readonly ref partial struct Autocast
{
    private const string Library = "torch_cpu";

    private readonly DeviceType device;
    private readonly bool wasEnabled;
    private readonly sbyte previousType;

    private Autocast(DeviceType device, Precision precision)
    {
        this.device = device;
        wasEnabled = IsEnabled((sbyte)device);
        previousType = GetType((sbyte)device);
        SetType((sbyte)device, (sbyte)torch.ScalarType.BFloat16);
        SetEnabled((sbyte)device, precision == Precision.BFloat16);
        _ = IncrementNesting();
    }

    /// <summary>Begins a scope; with <see cref="Precision.Float32"/> it switches an enclosing scope off.</summary>
    public static Autocast Begin(DeviceType device, Precision precision)
    {
        if (precision == Precision.Auto)
        {
            throw new ArgumentException("Auto must be resolved to a precision first.", nameof(precision));
        }

        return new Autocast(device, precision);
    }

    /// <summary>Restores the state before the scope; the outermost scope also frees the cached casts of the weights.</summary>
    public void Dispose()
    {
        if (DecrementNesting() == 0)
        {
            ClearCache();
        }

        SetEnabled((sbyte)device, wasEnabled);
        SetType((sbyte)device, previousType);
    }

    [LibraryImport(Library, EntryPoint = "_ZN2at8autocast19is_autocast_enabledEN3c1010DeviceTypeE")]
    [return: MarshalAs(UnmanagedType.I1)]
    private static partial bool IsEnabled(sbyte device);

    [LibraryImport(Library, EntryPoint = "_ZN2at8autocast20set_autocast_enabledEN3c1010DeviceTypeEb")]
    private static partial void SetEnabled(sbyte device, [MarshalAs(UnmanagedType.I1)] bool enabled);

    [LibraryImport(Library, EntryPoint = "_ZN2at8autocast18get_autocast_dtypeEN3c1010DeviceTypeE")]
    private static partial sbyte GetType(sbyte device);

    [LibraryImport(Library, EntryPoint = "_ZN2at8autocast18set_autocast_dtypeEN3c1010DeviceTypeENS1_10ScalarTypeE")]
    private static partial void SetType(sbyte device, sbyte type);

    [LibraryImport(Library, EntryPoint = "_ZN2at8autocast17increment_nestingEv")]
    private static partial int IncrementNesting();

    [LibraryImport(Library, EntryPoint = "_ZN2at8autocast17decrement_nestingEv")]
    private static partial int DecrementNesting();

    [LibraryImport(Library, EntryPoint = "_ZN2at8autocast11clear_cacheEv")]
    private static partial void ClearCache();
}
