using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Pascl.Kernels.Device;
using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Training.Interop;

/// <summary>
/// A differentiable operation made of kernels: a custom autograd function whose backward pass neither ends the process, nor leaks, nor meets gradients that
/// kernels cannot read. Its graph's backward pass is run by <see cref="KernelGradients.Backward"/>.
/// </summary>
/// <typeparam name="TSelf">The operation itself.</typeparam>
internal abstract class KernelFunction<TSelf> : autograd.MultiTensorFunction<TSelf>
    where TSelf : KernelFunction<TSelf>, new()
{
    private const string ArgumentCount = "argument count";

    /// <inheritdoc/>
    public sealed override string Name => typeof(TSelf).Name;

    /// <summary>Runs the operation and records it; the results belong to the caller's dispose scope.</summary>
    protected static Tensor[] Apply(params object[] arguments)
    {
        KernelGradients.ThrowFailures();

        // Beside the results, torch's wrapper makes an empty tensor of each result's size, for gradients that are missing. Nothing reads it, as they are not
        // filled in; the scope frees it at once.
        using var scope = NewDisposeScope();
        return [.. apply(arguments).Select(result => result.MoveToOuterDisposeScope())];
    }

    /// <summary>Computes the results; gradients are off. Everything that can be wrong with the arguments is found here.</summary>
    /// <param name="context">Takes, by <c>save_for_backward</c>, the tensors that the backward pass needs.</param>
    /// <param name="arguments">Tensors and others.</param>
    protected abstract Tensor[] Forward(autograd.AutogradContext context, object[] arguments);

    /// <summary>Computes one gradient per argument of the forward pass, null where there is none.</summary>
    /// <param name="context">What <see cref="Forward"/> kept with <c>save_data</c>.</param>
    /// <param name="saved">What <see cref="Forward"/> saved; freed afterwards.</param>
    /// <param name="gradients">One per result, contiguous; null where the loss does not depend on the result, but not all of them.</param>
    protected abstract Tensor?[] Backward(autograd.AutogradContext context, IReadOnlyList<Tensor> saved, Tensor?[] gradients);

    /// <inheritdoc/>
    public sealed override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
    {
        ctx.set_materialize_grads(false);
        ctx.save_data(ArgumentCount, vars.Length);
        using var scope = NewDisposeScope();
        return [.. Forward(ctx, vars).Select(result => result.MoveToOuterDisposeScope())];
    }

    /// <inheritdoc/>
    public sealed override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
    {
        var argumentCount = (int)ctx.get_data(ArgumentCount);
        Tensor?[]? gradients = null;
        try
        {
            KernelGradients.FreeReturned();

            // Holds the saved tensors and all that is made here; on a device's own thread there is no other scope.
            using var scope = NewDisposeScope();
            Tensor?[] incoming = [.. grad_outputs.Select(gradient => gradient is null || gradient.IsInvalid ? null : gradient.contiguous())];
            if (incoming.Any(gradient => gradient is not null))
            {
                var computed = Backward(ctx, ctx.get_saved_variables(), incoming);
                gradients = computed.Length == argumentCount
                    ? [.. computed.Select(gradient => gradient is null ? null : KernelGradients.Return(gradient))]
                    : throw new InvalidOperationException($"{Name} returned {computed.Length} gradients for {argumentCount} arguments.");
            }
        }
        catch (Exception exception)
        {
            // No exception may reach the native caller. Without gradients the pass goes on, and ends in the exception.
            gradients = null;
            KernelGradients.Record(exception);
        }
        finally
        {
            grad_outputs.ForEach(gradient => gradient?.Dispose());
        }

        gradients ??= new Tensor?[argumentCount];
        return [.. gradients.Select(gradient => gradient!)];
    }
}

/// <summary>Runs the backward pass of graphs that contain a <see cref="KernelFunction{TSelf}"/>.</summary>
/// <remarks>
/// The callbacks of such functions are called by native code, which an exception must not cross: the process would end. They record it here instead, and
/// the gradients they return live until torch has taken its own references.
/// </remarks>
public static class KernelGradients
{
    private static readonly Lock OneAtATime = new();
    private static readonly ConcurrentQueue<Exception> Failures = new();
    private static readonly ConcurrentBag<List<Tensor>> ReturnedByThread = [];

    [ThreadStatic]
    private static List<Tensor>? returnedHere;

    /// <summary>Computes the gradients of a loss as <c>loss.backward()</c> does, and throws what a kernel's callback threw.</summary>
    /// <param name="loss">A scalar.</param>
    public static void Backward(Tensor loss)
    {
        lock (OneAtATime)
        {
            try
            {
                loss.backward();
            }
            finally
            {
                foreach (var returned in ReturnedByThread)
                {
                    Free(returned);
                }
            }

            ThrowFailures();
        }
    }

    /// <summary>
    /// Gives a parameter its gradient from within a backward pass. A gradient that the pass returned to torch would be cloned: torch takes one over only where
    /// nobody else refers to it, and the callback still does.
    /// </summary>
    /// <param name="parameter">What the gradient belongs to.</param>
    /// <param name="gradient">Nobody changes it afterwards.</param>
    /// <returns>What the pass returns for the parameter: nothing, as it has its gradient; the gradient itself where torch has to carry it further.</returns>
    internal static Tensor? Accumulate(Tensor parameter, Tensor gradient)
    {
        if (!parameter.requires_grad || !parameter.is_leaf)
        {
            return gradient;
        }

        using var before = parameter.grad;
        if (before is null)
        {
            parameter.grad = gradient;
        }
        else
        {
            before.add_(gradient);
        }

        return null;
    }

    /// <summary>Throws the first exception of a backward pass that was not run by <see cref="Backward"/>.</summary>
    internal static void ThrowFailures()
    {
        if (Failures.TryDequeue(out var failure))
        {
            Failures.Clear();
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    /// <summary>Keeps an exception until the backward pass is over.</summary>
    internal static void Record(Exception failure) => Failures.Enqueue(failure);

    /// <summary>Frees the gradients of this thread's previous callback: torch has taken its references by the time of the next one.</summary>
    internal static void FreeReturned() => Free(Returned());

    /// <summary>Keeps a gradient alive until the next callback on this thread, or the end of the backward pass. No dispose scope has to be open here.</summary>
    internal static Tensor Return(Tensor gradient)
    {
        Returned().Add(gradient.DetachFromDisposeScope());
        return gradient;
    }

    private static List<Tensor> Returned()
    {
        if (returnedHere is null)
        {
            ReturnedByThread.Add(returnedHere = []);
        }

        return returnedHere;
    }

    private static void Free(List<Tensor> tensors)
    {
        tensors.ForEach(tensor => tensor.Dispose());
        tensors.Clear();
    }
}

/// <summary>The memory of tensors as kernels and vector code see it: no copy, and checked before a kernel can misread it.</summary>
/// <remarks>
/// A view does not keep its tensor alive. Torch's allocators reuse memory in the order of the stream, so the tensor has to live until the launch, not until
/// its end.
/// </remarks>
internal static partial class TensorMemory
{
    /// <summary>A tensor of one dimension, or a scalar, whose elements follow one another.</summary>
    /// <exception cref="ArgumentException">Another type, number of dimensions, device or layout; the message names the tensor and what is needed.</exception>
    public static DeviceVector<T> Vector<T>(Tensor tensor, KernelDevice device, [CallerArgumentExpression(nameof(tensor))] string name = "")
        where T : unmanaged
    {
        Require(tensor.dim() < 2, tensor, name, "a vector");
        return Elements<T>(tensor, device, name);
    }

    /// <summary>All elements of a contiguous tensor of any number of dimensions, in their order.</summary>
    /// <exception cref="ArgumentException">Another type, device or layout; the message has the tensor's name and what is needed.</exception>
    public static DeviceVector<T> Elements<T>(Tensor tensor, KernelDevice device, [CallerArgumentExpression(nameof(tensor))] string name = "")
        where T : unmanaged
    {
        Require<T>(tensor, device, name);
        Require(tensor.is_contiguous(), tensor, name, "contiguous");
        return new DeviceVector<T>(DataPointer(tensor.Handle), tensor.numel());
    }

    /// <summary>All elements of a tensor without gaps in the order of its memory, which is the same for all tensors with its strides.</summary>
    /// <exception cref="ArgumentException">Another type, device or layout; the message has the tensor's name and what is needed.</exception>
    public static DeviceVector<T> Dense<T>(Tensor tensor, ReadOnlySpan<long> strides, KernelDevice device, [CallerArgumentExpression(nameof(tensor))] string name = "")
        where T : unmanaged
    {
        Require<T>(tensor, device, name);
        return HasStrides(tensor, strides)
            ? new DeviceVector<T>(DataPointer(tensor.Handle), tensor.numel())
            : throw Refusal(tensor, name, $"laid out with strides ({string.Join(", ", strides.ToArray())})");
    }

    /// <summary>Whether a tensor has these strides, those of dimensions with one element aside: they lead nowhere.</summary>
    public static bool HasStrides(Tensor tensor, ReadOnlySpan<long> strides)
    {
        var (sizes, actual) = (tensor.shape, tensor.stride());
        for (var dimension = 0; dimension < sizes.Length; dimension++)
        {
            if (sizes[dimension] > 1 && actual[dimension] != strides[dimension])
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>A tensor of two dimensions; the elements of a row follow one another, and rows do not overlap.</summary>
    /// <exception cref="ArgumentException">Another type, number of dimensions, device or layout; the message names the tensor and what is needed.</exception>
    public static DeviceMatrix<T> Matrix<T>(Tensor tensor, KernelDevice device, [CallerArgumentExpression(nameof(tensor))] string name = "")
        where T : unmanaged
    {
        Require<T>(tensor, device, name);
        Require(tensor.dim() == 2, tensor, name, "a matrix");
        var (rows, columns) = (checked((int)tensor.shape[0]), checked((int)tensor.shape[1]));
        var rowStride = rows < 2 || columns == 0 ? columns : tensor.stride(0);
        Require((columns < 2 || rows == 0 || tensor.stride(1) == 1) && rowStride >= columns, tensor, name, "a matrix whose rows are contiguous");
        return new DeviceMatrix<T>(DataPointer(tensor.Handle), rows, columns, checked((int)rowStride));
    }

    /// <summary>A contiguous tensor of two dimensions on the CPU.</summary>
    /// <exception cref="ArgumentException">Another type, number of dimensions, device or layout; the message names the tensor and what is needed.</exception>
    public static HostMatrix<T> HostMatrix<T>(Tensor tensor, [CallerArgumentExpression(nameof(tensor))] string name = "")
        where T : unmanaged
    {
        Require(tensor.dtype == TypeOf<T>(), tensor, name, TypeOf<T>().ToString());
        Require(tensor.dim() == 2 && tensor.is_contiguous() && tensor.device_type == DeviceType.CPU, tensor, name, "a contiguous matrix on the CPU");
        return new HostMatrix<T>(DataPointer(tensor.Handle), checked((int)tensor.shape[1]));
    }

    private static void Require<T>(Tensor tensor, KernelDevice device, string name)
        where T : unmanaged
    {
        var isElement = tensor.dtype == TypeOf<T>() || (typeof(T) == typeof(byte) && tensor.dtype == ScalarType.Bool);
        if (!isElement)
        {
            throw Refusal(tensor, name, TypeOf<T>().ToString());
        }

        // Asked of every argument of every launch, so a refusal alone makes text.
        var isThere = device.UsesHostMemory ? tensor.device_type == DeviceType.CPU : tensor.device_type == DeviceType.CUDA && tensor.device_index == device.Index;
        if (!isThere)
        {
            throw Refusal(tensor, name, $"on the device of {(device.UsesHostMemory ? "the simulator, which is the CPU" : device.Name)}");
        }
    }

    private static void Require(bool holds, Tensor tensor, string name, string needed)
    {
        if (!holds)
        {
            throw Refusal(tensor, name, needed);
        }
    }

    private static ArgumentException Refusal(Tensor tensor, string name, string needed) => new(
        $"{name} is a {tensor.dtype} tensor ({string.Join(", ", tensor.shape)}) with strides ({string.Join(", ", tensor.stride())}) " +
        $"on {tensor.device}; it must be {needed}.",
        name);

    private static ScalarType TypeOf<T>() => default(T) switch
    {
        double => ScalarType.Float64,
        float => ScalarType.Float32,
        ILGPU.Half or Half => ScalarType.Float16,
        Kernels.BFloat16 or ushort => ScalarType.BFloat16,
        long => ScalarType.Int64,
        int => ScalarType.Int32,
        byte => ScalarType.Byte,
        _ => throw new NotSupportedException($"Kernels do not read tensors as {typeof(T).Name}."),
    };

    // The address of the first element, with the storage's offset; any type, any device.
    [LibraryImport("LibTorchSharp", EntryPoint = "THSTensor_data")]
    private static partial nint DataPointer(nint tensor);
}

/// <summary>The rows of a tensor in the host's memory, of any size; a span alone ends at 2^31 elements. Lives no longer than the tensor.</summary>
internal readonly unsafe struct HostMatrix<T>(nint address, int columns)
    where T : unmanaged
{
    /// <summary>The elements of a row, to read and to write.</summary>
    public Span<T> Row(int row) => new((T*)address + ((long)row * columns), columns);
}

/// <summary>
/// How a step brings the host's numbers to a device: through pinned memory, so that the host does not wait until the device comes to the copy. A copy from ordinary
/// memory, which <c>tensor.to(device)</c> and <c>torch.tensor(values, device)</c> make, waits for all that was launched before. Torch keeps the pinned memory until the
/// copy is done.
/// </summary>
internal static class HostUpload
{
    /// <summary>Numbers as a vector on a device, in the current dispose scope.</summary>
    public static Tensor Vector(ReadOnlySpan<long> values, torch.Device device)
    {
        var host = empty(values.Length, int64);
        values.CopyTo(MemoryMarshal.Cast<byte, long>(host.bytes));
        return To(host, device);
    }

    /// <summary>Numbers as a vector of float64 on a device, in the current dispose scope.</summary>
    public static Tensor Vector(ReadOnlySpan<double> values, torch.Device device)
    {
        var host = empty(values.Length, float64);
        values.CopyTo(MemoryMarshal.Cast<byte, double>(host.bytes));
        return To(host, device);
    }

    /// <summary>Numbers as a vector of int64 on a device, in the current dispose scope.</summary>
    public static Tensor Vector(int[] values, torch.Device device) => Vector(Array.ConvertAll(values, value => (long)value), device);

    /// <summary>
    /// A tensor of the host's in memory from which a device copies while the host goes on, so that <see cref="To"/> has no more to do; the tensor itself where it needs none.
    /// </summary>
    public static Tensor Prepare(Tensor tensor, torch.Device device) =>
        device.type == DeviceType.CUDA && tensor.device_type == DeviceType.CPU ? tensor.pin_memory() : tensor;

    /// <summary>A tensor on a device, in the current dispose scope; the tensor itself where it is there.</summary>
    public static Tensor To(Tensor tensor, torch.Device device)
    {
        if (tensor.device_type == device.type && (device.type == DeviceType.CPU || device.index < 0 || tensor.device_index == device.index))
        {
            return tensor;
        }

        return Prepare(tensor, device).to(device, non_blocking: tensor.device_type == DeviceType.CPU);
    }
}
