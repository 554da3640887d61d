using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
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
