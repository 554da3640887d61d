using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace Pascl.Training.Interop;

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
