using System.Text.RegularExpressions;
using Pascl.Training.Loss;
using Pascl.Training.Optimisation;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pascl.Tests.Training;

/// <summary>Between two readings of the losses no step reads a value of a tensor: on a GPU the host would wait for it.</summary>
public sealed partial class NothingIsReadTests
{
    // Where a step may be, and the places in it that read: the losses every ten steps, and tensors that are on the CPU: step counts of a checkpoint, and on the
    // CPU alone the labels of the contrastive loss and the gradient of its result. Folding BatchNorm reads too, which is done to export a network.
    private static readonly string[] Folders = ["Loss", "Methods", "Model", "Optimisation", "Interop"];
    private static readonly string[] Files = ["TrainingSteps.cs", "TrainingPhase.cs"];
    private static readonly string[] Readers =
    [
        "DualBranchBatchNorm2d.cs: static Tensor Double(Tensor values) => values.to(float64).cpu();",
        "FoldedConvolution.cs: var weight = convolution.weight.to(torch.float64).cpu() * scale.reshape(-1, 1, 1, 1);",
        "FoldedConvolution.cs: return tensor.detach().to(torch.float32).cpu().contiguous().data<float>().ToArray();",
        "LossSums.cs: return sums.cpu().data<double>().ToArray();",
        "AdamRule.cs: public override void Restore(int parameter, Func<string, torch.Tensor> value) => steps[parameter] = value(StepCount).item<long>();",
        "HostContrastiveLossFunction.cs: [HostRows.Scatter(saved[0], (int[])context.get_data(Participants), (int)context.get_data(RowCount), gradients[0]!.ToDouble()), null, null, null];",
        "PasclLoss.cs: var classes = labels.data<long>().ToArray();",
    ];

    [Test]
    public void no_other_line_of_a_step_reads_a_tensor()
    {
        var training = Path.Combine(Repository.Root, "src", "Training");
        var sources = Folders.SelectMany(folder => Directory.GetFiles(Path.Combine(training, folder), "*.cs"))
            .Concat(Files.Select(file => Path.Combine(training, file)))
            .ToArray();
        var reading = sources.SelectMany(file =>
            File.ReadLines(file).Where(line => Reading().IsMatch(line)).Select(line => $"{Path.GetFileName(file)}: {line.Trim()}"));
        Assert.That(sources, Has.Length.GreaterThan(30));
        Assert.That(reading, Is.EquivalentTo(Readers));
    }

    // Tensors on the meta device have a shape and no values, so whatever reads one fails. Torch's losses and BatchNorm do not run there from C++.
    [Test]
    public void the_optimiser_and_the_sums_of_the_losses_need_no_value([Values] OptimiserKind kind)
    {
        using var scope = NewDisposeScope();
        var parameter = new Parameter(empty([3, 4], device: META));
        using var optimiser = new Optimiser(
            new OptimiserSettings(kind, LearningRate: 0.1, WeightDecay: 1e-4) { Momentum = 0.9 }, [("weight", parameter)]);
        optimiser.ZeroGradients();
        var loss = parameter.sum();
        loss.backward();
        optimiser.Step();
        using var sums = new LossSums(terms: 2, null, META);
        sums.Add(new LossTerms(loss, loss));
        Assert.That(() => loss.item<float>(), Throws.Exception, "values cannot be read here");
    }

    // Beside the plain ways, operations whose result's shape depends on values.
    [GeneratedRegex(@"(?<!this)\.(item<|cpu\(|data<|bytes\b|nonzero\(|masked_select\(|ToSingle\(|ToDouble\(|ToInt64\(|unique\(|tolist\()")]
    private static partial Regex Reading();
}
