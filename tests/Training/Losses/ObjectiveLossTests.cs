using Pascl.Kernels.Device;
using Pascl.Tests.Kernels;
using Pascl.Tests.Processes;
using Pascl.Training.Golden;
using Pascl.Training.Interop;
using Pascl.Training.Losses;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Losses;

[SimulatesGpu]
public sealed class ObjectiveKernelLossTests
{
    private const int Classes = 5;
    private const double OutlierWeight = 0.5;

    // A row's loss in float32; its mean over four rows, weight and sum; losses are below 9.
    private static readonly double LossError = Tolerance.RowLoss(Tolerance.Single, Classes, 4) + (9 * Tolerance.Sum(Tolerance.Single, 8));

    // Beside the logarithm's error that of the exponential and the roundings of the products with the upstream gradients; no slope is above 5.
    private static readonly double SlopeError = 5 * (LossError + Tolerance.Exponential(Tolerance.Single, 8) + Tolerance.Sum(Tolerance.Single, 6));

    private static readonly int[] Counts = [50, 20, 10, 5, 1];

    private static KernelDevice Simulator => Kernels.Devices.Get("simulator");

    [Test]
    public void terms_and_gradient_are_those_of_torchs_operations([Values(0, 3)] int outliers, [Values] bool isAdjusted)
    {
        using var scope = NewDisposeScope();
        using var loss = new ObjectiveKernelLoss(Simulator, OutlierWeight, isAdjusted ? LogitAdjustment.Of(Counts) : null);
        using var adjusted = new LogitAdjustment(Counts, isAdjusted ? 1 : 0);
        using var exposure = new OutlierExposureLoss();
        var logits = Logits(4 + outliers, ScalarType.Float32);
        var exact = Logits(4 + outliers, ScalarType.Float64);
        var terms = loss.forward(logits, Labels());
        var inDistribution = adjusted.forward(exact.narrow(0, 0, 4), Labels());
        var outlierTerm = outliers == 0 ? zeros(1, ScalarType.Float64).sum() : exposure.forward(exact.narrow(0, 4, outliers));
        var total = inDistribution + (OutlierWeight * outlierTerm);

        Assert.That(terms.Outliers is null, Is.EqualTo(outliers == 0));
        AssertEqual([terms.Total, terms.InDistribution, terms.Outliers ?? zeros(1).sum()], [total, inDistribution, outlierTerm], LossError);

        // Parts are differentiable too, each with a factor of its own.
        var sum = (3 * terms.Total) - terms.InDistribution;
        KernelGradients.Backward(terms.Outliers is null ? sum : sum + terms.Outliers);
        ((3 * total) - inDistribution + outlierTerm).backward();
        AssertEqual([logits.grad!], [exact.grad!], SlopeError);
    }

    [Test]
    public void smoothed_labels_are_those_of_torchs_cross_entropy([Values(0, 3)] int outliers, [Values] bool isAdjusted, [Values(0.1, 0.9)] double smoothing)
    {
        using var scope = NewDisposeScope();
        var adjustment = isAdjusted ? LogitAdjustment.Of(Counts) : null;
        using var loss = new ObjectiveKernelLoss(Simulator, OutlierWeight, adjustment, smoothing);
        using var byTorch = new ObjectiveTorchLoss(OutlierWeight, adjustment, smoothing);
        var (logits, exact) = (Logits(4 + outliers, ScalarType.Float32), Logits(4 + outliers, ScalarType.Float64));
        var (terms, expected) = (loss.forward(logits, Labels()), byTorch.forward(exact, Labels()));
        AssertEqual([terms.Total, terms.InDistribution], [expected.Total, expected.InDistribution], 2 * LossError);
        KernelGradients.Backward(terms.Total);
        expected.Total.backward();
        AssertEqual([logits.grad!], [exact.grad!], 2 * SlopeError);
    }

    [Test]
    public void smoothed_labels_have_the_loss_by_hand()
    {
        // z = (2, 0, 0), label 0: the cross entropies to the three classes are lse - 2, lse, lse; a tenth is spread over them.
        using var scope = NewDisposeScope();
        using var loss = new ObjectiveTorchLoss(labelSmoothing: 0.1);
        var logSum = Math.Log(Math.Exp(2) + 2);
        var terms = loss.forward(tensor(new double[,] { { 2, 0, 0 } }), tensor([0L]));
        Assert.That(terms.Total.item<double>(), Is.EqualTo((0.9 * (logSum - 2)) + (0.1 * (logSum - (2 / 3.0)))).Within(1e-12));
    }

    [Test]
    public void half_precision_logits_have_a_gradient_of_their_own_type()
    {
        using var scope = NewDisposeScope();
        using var loss = new ObjectiveKernelLoss(Simulator);
        var logits = Logits(4, ScalarType.BFloat16);
        KernelGradients.Backward(loss.forward(logits, Labels()).Total);
        var exact = logits.detach().to(ScalarType.Float64).requires_grad_();
        nn.functional.cross_entropy(exact, Labels()).backward();
        Assert.That(logits.grad!.dtype, Is.EqualTo(ScalarType.BFloat16));

        // A slope is rounded once to bfloat16, relative to itself. Nothing, and the opposite, are far outside for every value.
        var allowed = (exact.grad!.abs() * Tolerance.BFloat16) + (SlopeError * (1 + Tolerance.BFloat16));
        Assert.That(((logits.grad!.to(ScalarType.Float64) - exact.grad!).abs() <= allowed).all().item<bool>());
        Assert.That((exact.grad!.abs() > allowed).all().item<bool>());
    }

    [Test]
    public void rows_of_a_larger_matrix_are_read_in_place()
    {
        using var scope = NewDisposeScope();
        using var loss = new ObjectiveKernelLoss(Simulator);
        var all = Logits(4, ScalarType.Float32);
        KernelGradients.Backward(loss.forward(all.narrow(1, 1, 3), Labels().remainder(3)).Total);
        var exact = Logits(4, ScalarType.Float64);
        nn.functional.cross_entropy(exact.narrow(1, 1, 3), Labels().remainder(3)).backward();
        AssertEqual([all.grad!], [exact.grad!], SlopeError);
    }

    [Test]
    public void two_forward_passes_may_precede_their_backward_passes()
    {
        using var scope = NewDisposeScope();
        using var loss = new ObjectiveKernelLoss(Simulator, OutlierWeight);
        var (first, second, alone) = (Logits(6, ScalarType.Float32), Logits(5, ScalarType.Float32), Logits(6, ScalarType.Float32));
        var (firstTerms, secondTerms) = (loss.forward(first, Labels()), loss.forward(second, Labels()));
        KernelGradients.Backward(firstTerms.Total);
        KernelGradients.Backward(secondTerms.Total);
        KernelGradients.Backward(loss.forward(alone, Labels()).Total);
        Assert.That(first.grad!.data<float>().ToArray(), Is.EqualTo(alone.grad!.data<float>().ToArray()));
    }

    [Test]
    public void memory_stays_flat()
    {
        using var scope = NewDisposeScope();
        using var loss = new ObjectiveKernelLoss(Simulator, OutlierWeight);
        var logits = Logits(6, ScalarType.Float32);
        Step();
        var tensors = Tensor.TotalCount;
        for (var step = 0; step < 20; step++)
        {
            Step();
        }

        Assert.That(Tensor.TotalCount, Is.EqualTo(tensors));

        void Step()
        {
            using var step = NewDisposeScope();
            logits.grad = null;
            KernelGradients.Backward(loss.forward(logits, Labels()).Total);
        }
    }

    [Test]
    public void labels_of_another_type_and_too_many_of_them_are_refused()
    {
        using var scope = NewDisposeScope();
        using var loss = new ObjectiveKernelLoss(Simulator);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                () => loss.forward(Logits(4, ScalarType.Float32), Labels().to(ScalarType.Int32)),
                Throws.ArgumentException.With.Message.Contains("it must be Int64"));
            Assert.That(
                () => loss.forward(Logits(3, ScalarType.Float32), Labels()),
                Throws.ArgumentException.With.Message.EqualTo("logits is (3, 5) but there are 4 labels; there must be a row for each label."));
        }
    }

    private static Tensor Logits(int rows, ScalarType type) =>
        tensor(Array.ConvertAll(GoldenInputs.Sequence(1, rows * Classes), value => (float)(8 * value))).reshape(rows, Classes).to(type).requires_grad_();

    private static Tensor Labels() => tensor(new long[] { 0, 3, 4, 3 });

    private static void AssertEqual(Tensor[] actual, Tensor[] expected, double error)
    {
        var values = actual.SelectMany(tensor => tensor.detach().reshape(-1).data<float>().ToArray()).ToArray();
        var reference = expected.SelectMany(tensor => tensor.detach().reshape(-1).data<double>().ToArray()).ToArray();
        Tolerance.AssertWithin(values, reference, [.. reference.Select(_ => 1.0)], error);
    }
}

public sealed class LogitAdjustmentTests
{
    [TestCase(0)]
    [TestCase(1)]
    [TestCase(1.5)]
    public void equals_cross_entropy_of_logits_plus_tau_log_prior(double tau)
    {
        using var scope = NewDisposeScope();
        using var loss = new LogitAdjustment([70, 20, 10], tau);
        double[] priors = [0.7, 0.2, 0.1];
        double[] logits = [0.3, -1, 2];
        var adjusted = logits.Zip(priors, (z, prior) => z + (tau * Math.Log(prior))).ToArray();
        var expected = Math.Log(adjusted.Sum(Math.Exp)) - adjusted[1];

        var actual = loss.forward(tensor(logits).reshape(1, 3), tensor(new long[] { 1 })).item<double>();
        Assert.That(actual, Is.EqualTo(expected).Within(1e-14));
    }

    [TestCase(0)]
    [TestCase(-1)]
    public void a_class_without_images_is_refused(int count) =>
        Assert.That(() => new LogitAdjustment([3, count]), Throws.ArgumentException.With.Message.Contains($"3 {count}"));

    [Test]
    public void one_row_of_equal_logits_costs_nothing_beyond_the_uniform_prediction_for_outlier_exposure()
    {
        using var scope = NewDisposeScope();
        using var loss = new OutlierExposureLoss();
        Assert.Multiple(() =>
        {
            Assert.That(loss.forward(zeros(1, 4)).item<float>(), Is.EqualTo(Math.Log(4)).Within(1e-6));
            Assert.That(() => loss.forward(zeros(0, 4)), Throws.ArgumentException.With.Message.Contains("(0, 4)"));
        });
    }
}
