using System.Diagnostics;
using Pascl.Benchmarks.Measuring;
using Pascl.Training.Interop;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Interop;

public sealed class KernelFunctionTests
{
    [TearDown]
    public void Reset() => Product.OnBackward = null;

    [Test]
    public void gradients_are_those_of_torch()
    {
        using var scope = NewDisposeScope();
        var (x, w) = Leaves();
        KernelGradients.Backward(Product.Of(x, w).Product.sum());
        Assert.That((x.grad!.eq(w).all().item<bool>(), w.grad!.eq(x).all().item<bool>()), Is.EqualTo((true, true)));
    }

    [Test]
    public void an_exception_in_the_backward_pass_comes_out_of_it()
    {
        using var scope = NewDisposeScope();
        var (x, w) = Leaves();
        Product.OnBackward = _ => throw new InvalidOperationException("a kernel failed");
        Assert.That(() => KernelGradients.Backward(Product.Of(x, w).Product.sum()), Throws.InvalidOperationException.With.Message.EqualTo("a kernel failed"));

        Product.OnBackward = null;
        Assert.That(() => KernelGradients.Backward(Product.Of(x, w).Product.sum()), Throws.Nothing);
    }

    [Test]
    public void an_exception_that_a_plain_backward_pass_hid_comes_out_of_the_next_call()
    {
        using var scope = NewDisposeScope();
        var (x, w) = Leaves();
        Product.OnBackward = _ => throw new InvalidOperationException("a kernel failed");
        Product.Of(x, w).Product.sum().backward();
        Assert.That(() => Product.Of(x, w), Throws.InvalidOperationException.With.Message.EqualTo("a kernel failed"));
    }

    [Test]
    public void a_wrong_number_of_gradients_is_an_exception()
    {
        using var scope = NewDisposeScope();
        var (x, w) = Leaves();
        Product.OnBackward = _ => [null];
        Assert.That(
            () => KernelGradients.Backward(Product.Of(x, w).Product.sum()),
            Throws.InvalidOperationException.With.Message.Contains("1 gradients for 3 arguments"));
    }

    [Test]
    public void an_exception_in_the_forward_pass_passes_through()
    {
        using var scope = NewDisposeScope();
        var (x, _) = Leaves();
        Assert.That(() => Product.Of(x, ones(5)), Throws.Exception);
    }

    [Test]
    public void gradients_that_no_kernel_can_read_arrive_contiguous()
    {
        using var scope = NewDisposeScope();
        var (x, w) = Leaves();
        var contiguous = new List<bool>();
        Product.OnBackward = gradients =>
        {
            contiguous.Add(gradients[0]!.is_contiguous());
            return null;
        };
        KernelGradients.Backward(Product.Of(x, w).Product.sum());
        KernelGradients.Backward((Product.Of(x, w).Product.t() * arange(12, ScalarType.Float32).reshape(4, 3)).sum());
        Assert.That(contiguous, Has.Count.EqualTo(2).And.All.True);
    }

    [Test]
    public void a_result_without_influence_has_no_gradient()
    {
        using var scope = NewDisposeScope();
        var (x, w) = Leaves();
        var missing = false;
        Product.OnBackward = gradients =>
        {
            missing = gradients[0] is null;
            return null;
        };
        using (var inner = NewDisposeScope())
        {
            // The first result ends with this scope; the pass comes after it.
            var sum = Product.Of(x, w).Sum.sum().MoveToOuterDisposeScope();
            inner.Dispose();
            KernelGradients.Backward(sum);
        }

        Assert.That((missing, x.grad!.eq(1).all().item<bool>()), Is.EqualTo((true, true)));
    }

    [Test]
    public void gradients_do_not_pile_up_along_a_chain([Values] bool onAnotherThread)
    {
        using var scope = NewDisposeScope();
        var (x, w) = Leaves();
        var alive = new List<long>();
        Product.OnBackward = _ =>
        {
            alive.Add(Tensor.TotalCount);
            return null;
        };
        var chain = x;
        for (var i = 0; i < 20; i++)
        {
            chain = Both(chain, w);
        }

        var loss = chain.sum();
        Run(onAnotherThread, () => KernelGradients.Backward(loss));
        Assert.That(alive, Has.Count.EqualTo(20));
        Assert.That(alive[^1] - alive[0], Is.LessThanOrEqualTo(3));
    }

    [Test]
    public void memory_stays_flat_over_many_steps([Values] bool onAnotherThread)
    {
        using var scope = NewDisposeScope();
        var (x, w) = Leaves();
        Run(onAnotherThread, () => Repeat(x, w, 200));
        var (tensors, bytes) = (Tensor.TotalCount, Resident());
        Run(onAnotherThread, () => Repeat(x, w, 2000));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Tensor.TotalCount, Is.EqualTo(tensors));
            Assert.That(Resident() - bytes, Is.LessThan(32 << 20));
        }
    }

    [Test]
    public void no_memory_of_a_tensor_stays_behind()
    {
        using var scope = NewDisposeScope();

        // 33 MiB each: above the limit from which the C library returns freed memory to the system, so that resident memory counts tensors. A training in this process before may have ended that.
        ResidentMemory.GiveFreedBlocksBack();
        var (x, w) = (rand(33, 512, 512).requires_grad_(), rand(33, 512, 512).requires_grad_());
        Repeat(x, w, 1);
        var bytes = Resident();
        Repeat(x, w, 4);
        Assert.That(Resident() - bytes, Is.LessThan(4 * (33L << 20)));
    }

    private static void Repeat(Tensor x, Tensor w, int steps)
    {
        for (var step = 0; step < steps; step++)
        {
            using var scope = NewDisposeScope();
            x.grad = null;
            w.grad = null;
            KernelGradients.Backward(Both(Both(x, w), w).sum());
        }
    }

    // Every result has a gradient: torch never stops to count the empty handles that stand for missing ones.
    private static Tensor Both(Tensor x, Tensor w)
    {
        var (product, sum) = Product.Of(x, w);
        return product + sum;
    }

    private static void Run(bool onAnotherThread, Action action)
    {
        if (onAnotherThread)
        {
            var thread = new Thread(() => action());
            thread.Start();
            thread.Join();
        }
        else
        {
            action();
        }
    }

    private static long Resident()
    {
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    private static (Tensor X, Tensor W) Leaves() => (rand(3, 4).requires_grad_(), rand(3, 4).requires_grad_());

    /// <summary>The product and the sum of two tensors.</summary>
    private sealed class Product : KernelFunction<Product>
    {
        public static Func<Tensor?[], Tensor?[]?>? OnBackward { get; set; }

        public static (Tensor Product, Tensor Sum) Of(Tensor x, Tensor w)
        {
            var results = Apply(x, w, "a parameter that is no tensor");
            return (results[0], results[1]);
        }

        protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
        {
            var (x, w) = ((Tensor)arguments[0], (Tensor)arguments[1]);
            context.save_for_backward([x, w]);
            return [x * w, x + w];
        }

        protected override Tensor?[] Backward(autograd.AutogradContext context, IReadOnlyList<Tensor> saved, Tensor?[] gradients)
        {
            if (OnBackward?.Invoke(gradients) is { } instead)
            {
                return instead;
            }

            var (x, w) = (saved[0], saved[1]);
            return (gradients[0], gradients[1]) switch
            {
                ({ } product, { } sum) => [(product * w) + sum, (product * x) + sum, null],
                ({ } product, null) => [product * w, product * x, null],
                (_, var sum) => [sum, sum, null],
            };
        }
    }
}
