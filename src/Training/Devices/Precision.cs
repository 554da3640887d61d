using System.Runtime.InteropServices;
using System.Text.Json.Serialization;
using TorchSharp;

namespace Pascl.Training.Devices;

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
