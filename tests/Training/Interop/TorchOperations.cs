using System.Runtime.InteropServices;
using Pascl.Training.Interop;

namespace Pascl.Tests.Training.Interop;

/// <summary>
/// The operations that libtorch runs on this thread until it is disposed, inner ones too, noted through the hook that libtorch's own profiler uses
/// (<c>at::addThreadLocalCallback</c>). It sees what was asked on any device, so that a copy to a GPU that would wait is seen on the CPU, too.
/// </summary>
internal sealed unsafe class TorchOperations : IDisposable
{
    /// <summary>Operations that start nothing on a device: they make views, allocate, or ask; and <c>to</c> where nothing in it copies.</summary>
    private static readonly HashSet<string> idle =
    [
        .. ((string[])["alias", "as_strided", "as_strided_", "detach", "detach_", "empty", "empty_like", "empty_strided", "expand", "expand_as", "flatten", "lift_fresh",
            "narrow", "new_empty", "new_empty_strided", "permute", "requires_grad_", "reshape", "resize_", "resolve_conj", "resolve_neg", "result_type", "select", "set_",
            "slice", "split", "squeeze", "t", "to", "transpose", "unbind", "unfold", "unsqueeze", "view", "view_as", "_reshape_alias", "_unsafe_view"])
            .Select(name => "aten::" + name),
    ];

    /// <summary>Operations whose inner ones are the CPU's own, and what they launch on a GPU: a product forward, and the gradients of input and weight backward.</summary>
    private static readonly Dictionary<string, int> whole = new() { ["aten::convolution"] = 1, ["aten::convolution_backward"] = 2 };

    [ThreadStatic]
    private static TorchOperations? current;

    private static readonly nint library = NativeLibrary.Load(Path.Combine(NativeLibTorch.EnsureLoaded().LibTorchFolder, "libtorch_cpu.so"));
    private static readonly delegate* unmanaged<Callback, ulong> add =
        (delegate* unmanaged<Callback, ulong>)NativeLibrary.GetExport(library, "_ZN2at22addThreadLocalCallbackENS_22RecordFunctionCallbackE");

    private static readonly delegate* unmanaged<ulong, void> remove =
        (delegate* unmanaged<ulong, void>)NativeLibrary.GetExport(library, "_ZN2at14removeCallbackEm");

    private static readonly delegate* unmanaged<nint, nint> nameOf =
        (delegate* unmanaged<nint, nint>)NativeLibrary.GetExport(library, "_ZNK2at14RecordFunction4nameEv");

    private static readonly delegate* unmanaged<OperatorName*, nint, OperatorName*> operatorOf =
        (delegate* unmanaged<OperatorName*, nint, OperatorName*>)NativeLibrary.GetExport(library, "_ZNK2at14RecordFunction13operator_nameEv");

    private readonly List<TorchOperation> operations = [];
    private readonly Stack<int> open = new();
    private readonly ulong handle;

    public TorchOperations()
    {
        current = this;
        handle = add(new Callback
        {
            Start = (nint)(delegate* unmanaged<nint*, nint, nint*>)&Begin,
            End = (nint)(delegate* unmanaged<nint, nint, void>)&End,
            SamplingProbability = 1,
            Operations = 1,
        });
    }

    /// <summary>All operations in their order, each before those that it is made of.</summary>
    public IReadOnlyList<TorchOperation> All => operations;

    /// <summary>Names such as <c>aten::add</c>, in their order.</summary>
    public IReadOnlyList<string> Names => [.. operations.Select(operation => operation.Name)];

    /// <summary>How many launches the operations would be on a GPU, near enough, by name. Where an operation is made of others, those are counted.</summary>
    public IReadOnlyDictionary<string, int> Launches => operations
        .Where(operation => !operation.IsInner && (operation.Launching == 0 || whole.ContainsKey(operation.Name)) && IsLaunch(operation.Name))
        .GroupBy(operation => operation.Name)
        .ToDictionary(group => group.Key, group => group.Count() * whole.GetValueOrDefault(group.Key, 1));

    /// <summary>
    /// Calls that would move a tensor between a GPU and the host, if there were one, and that the host would wait for unless it is from pinned memory. They are asked for
    /// by this program, outside of other operations or in the gradient of one of its own; and a cast has another overload. Not seen on the CPU is
    /// <c>torch.tensor(values, device)</c>, which copies nothing there.
    /// </summary>
    public IEnumerable<TorchOperation> Moves => operations.Where(operation => operation is { Name: "aten::to", Overload: "device" or "dtype_layout" }
        && (operation.Around.Length == 0 || operation.Around.EndsWith("CSharpNode", StringComparison.Ordinal)));

    /// <summary>Gradients that torch copied instead of taking them over.</summary>
    public IEnumerable<TorchOperation> ClonedGradients => operations.Where(operation =>
        operation.Name is "aten::clone" or "aten::copy_" or "aten::new_empty_strided" && operation.Around.Contains("AccumulateGrad", StringComparison.Ordinal));

    public void Dispose()
    {
        remove(handle);
        current = null;
    }

    // A C++ function that returns a unique_ptr takes the place for it as its first argument; there is nothing to keep until the operation's end.
    [UnmanagedCallersOnly]
    private static nint* Begin(nint* kept, nint operation)
    {
        *kept = 0;
        if (current is { } noting)
        {
            var around = noting.open.TryPeek(out var outer) ? noting.operations[outer] : null;
            noting.open.Push(noting.operations.Count);
            noting.operations.Add(new TorchOperation(
                Marshal.PtrToStringUTF8(nameOf(operation))!,
                Overload(operation),
                around is null ? "" : $"{around.Around}/{around.Name}",
                IsInner: around is not null && (around.IsInner || whole.ContainsKey(around.Name))));
        }

        return kept;
    }

    [UnmanagedCallersOnly]
    private static void End(nint operation, nint kept)
    {
        if (current is { } noting && noting.open.TryPop(out var ended) && noting.open.TryPeek(out var around))
        {
            var inner = noting.operations[ended];
            var isLaunch = inner.Launching > 0 || IsLaunch(inner.Name);
            noting.operations[around] = noting.operations[around] with { Launching = noting.operations[around].Launching + (isLaunch ? 1 : 0) };
        }
    }

    private static bool IsLaunch(string name) => name.StartsWith("aten::", StringComparison.Ordinal) && !idle.Contains(name);

    private static string Overload(nint operation)
    {
        OperatorName name = default;
        operatorOf(&name, operation);
        if (name.Exists == 0)
        {
            return "";
        }

        var overload = Marshal.PtrToStringUTF8(name.Overload.Characters, (int)name.Overload.Length);
        Free(name.Name, (nint)(&name.Name));
        Free(name.Overload, (nint)(&name.Overload));
        return overload;
    }

    // A short string lies in the object itself.
    private static void Free(CppString text, nint place)
    {
        if (text.Characters != place + 16)
        {
            NativeMemory.Free((void*)text.Characters);
        }
    }

    // std::string of libstdc++
    [StructLayout(LayoutKind.Sequential, Size = 32)]
    private struct CppString
    {
        public nint Characters;
        public nint Length;
    }

    // std::optional<c10::OperatorName>
    [StructLayout(LayoutKind.Sequential)]
    private struct OperatorName
    {
        public CppString Name;
        public CppString Overload;
        public byte Exists;
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

/// <summary>An operation of libtorch.</summary>
/// <param name="Name">Such as <c>aten::to</c>.</param>
/// <param name="Overload">Such as <c>dtype_layout</c>; empty where there is one alone.</param>
/// <param name="Around">The names of the operations that it is part of, each after a slash, from the outermost; empty where it is none's.</param>
/// <param name="IsInner">Whether it is a part of one that a GPU would do otherwise.</param>
internal sealed record TorchOperation(string Name, string Overload, string Around, bool IsInner)
{
    /// <summary>Operations within it that start something on a device.</summary>
    public int Launching { get; init; }
}
