using Pascl.Kernels;
using Pascl.Tests.Training.Methods;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Interop;
using Pascl.Training.Losses;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pascl.Tests.Conformance;

/// <summary>The objectives of all methods on the published cases: every term, and the gradient of the minimised loss.</summary>
public sealed class LossConformanceTests
{
    private const string Family = "losses";
    private const string SecondPhase = "second phase";
    private const string SecondPhaseOfEat = "second phase of eat";

    // Rounding of float32 in some hundred terms, where the values are up to a few hundred.
    private const double Float32Error = 1e-5;

    private static readonly string[] ofKernels = [Method.CrossEntropy, Method.OutlierExposure, Method.Pascl, SecondPhase];

    private static readonly string[] differentiated = ["logits", "features", "projection", "prototypes"];

    private static IEnumerable<TestCaseData> Cases => ConformanceFile.Tests(Family);

    private static IEnumerable<TestCaseData> CasesOfKernels => Cases.Where(test => ofKernels.Contains(((ConformanceCase)test.Arguments[0]!).Quantity));

    private static IEnumerable<TestCaseData> CasesOfReferences => Cases.Where(test => ((ConformanceCase)test.Arguments[0]!).Quantity == Method.Pascl);

    [TestCaseSource(nameof(Cases))]
    public void a_loss_has_the_terms_and_gradients_of_the_definition(object published)
    {
        var @case = (ConformanceCase)published;
        using var device = ComputeDevice.Open("cpu", Backend.Torch);
        @case.Check(Computed(@case, device, ScalarType.Float64));
    }

    [TestCaseSource(nameof(CasesOfKernels))]
    public void so_have_the_kernels(object published)
    {
        var @case = (ConformanceCase)published;
        using var device = ComputeDevice.Open("cpu", Backend.Ilgpu);
        @case.Check(Computed(@case, device, ScalarType.Float32), Float32Error, Float32Error);
    }

    [TestCaseSource(nameof(CasesOfReferences))]
    public void so_have_the_references_of_the_kernels(object published)
    {
        var @case = (ConformanceCase)published;
        var (labels, (logits, classes), (rows, width)) = (@case.Integers("labels"), @case.Matrix("logits"), @case.Matrix("projection"));
        var (tail, weights, temperature) = (@case.Flags("tail"), @case.Has("classWeights") ? @case.Numbers("classWeights") : [], @case.Parameter("temperature"));
        long[] bothViews = [.. labels.Concat(labels).Select(label => (long)label)];
        var outlierWeight = @case.Parameter("outlierWeight");
        var (ofLogits, inDistribution, outliers) = ObjectiveLossReference.Forward(logits, classes, bothViews, outlierWeight);
        var contrastive = FusedContrastiveLossReference.ForwardOfBatch(rows, width, labels, tail, temperature, weights);
        var weight = @case.Parameter("contrastiveWeight");
        var gradient = FusedContrastiveLossReference.BackwardOfBatch(rows, width, labels, tail, temperature, weights);
        @case.Check(new
        {
            Terms = new Dictionary<string, double>
            {
                ["total"] = ofLogits + (weight * contrastive),
                ["in-distribution"] = inDistribution,
                ["outliers"] = outliers,
                ["contrastive"] = contrastive,
            },
            Gradients = new
            {
                Logits = ObjectiveLossReference.Backward(logits, classes, bothViews, outlierWeight),
                Projection = Array.ConvertAll(gradient, slope => weight * slope),
            },
        });
    }

    [Test]
    public void every_method_has_a_case_in_both_of_its_phases() => Assert.That(
        MethodDefinition.All.Select(method => method.Name).Concat([SecondPhase, SecondPhaseOfEat]),
        Is.EquivalentTo(ConformanceFile.Read(Family).Cases.Select(@case => @case.Quantity).Distinct()));

    private static object Computed(ConformanceCase @case, ComputeDevice device, ScalarType type)
    {
        using var scope = NewDisposeScope();
        var given = differentiated.Where(@case.Has).ToDictionary(name => name, name =>
        {
            var (values, columns) = @case.Matrix(name);
            return name == "prototypes" ? new Parameter(tensor(values).reshape(-1, columns).to(type)) : tensor(values).reshape(-1, columns).to(type).requires_grad_();
        });
        using var objective = Objective(@case, device, (Parameter?)given.GetValueOrDefault("prototypes"));
        var logits = given["logits"];
        var output = new BranchOutput(logits, given.GetValueOrDefault("features", logits), given.GetValueOrDefault("projection", logits));
        var terms = objective.Terms(output, BatchOf(@case, (int)logits.shape[0]));
        KernelGradients.Backward(terms.Total);
        return new
        {
            Terms = objective.Named([.. terms.InOrder().Select(term => term.to(ScalarType.Float64).item<double>())]),
            Gradients = given.ToDictionary(
                pair => pair.Key, pair => pair.Value.grad?.to(ScalarType.Float64).contiguous().data<double>().ToArray() ?? new double[pair.Value.numel()]),
        };
    }

    private static Batch BatchOf(ConformanceCase @case, int rows)
    {
        var (labels, views) = (@case.Integers("labels"), (int)@case.Parameter("views"));
        var mixed = @case.Has("mixedLabels") ? @case.Integers("mixedLabels") : [];
        var position = new BatchPosition((int)@case.Parameter("epoch", 0), (int)@case.Parameter("step", 0), (int)@case.Parameter("stepsPerEpoch", 1));
        return BaselineFixture.Batch(labels, rows - (views * labels.Length), views, position) with
        {
            MixedLabels = mixed.Length == 0 ? null : tensor(Array.ConvertAll(mixed, label => (long)label)),
        };
    }

    private static Objective Objective(ConformanceCase @case, ComputeDevice device, Parameter? prototypes)
    {
        var p = @case.Parameter;
        switch (@case.Quantity)
        {
            case Method.CrossEntropy:
                return new LogitObjective(device);
            case Method.OutlierExposure:
                return new LogitObjective(device, p("outlierWeight", 0));
            case Method.Pascl:
                var weights = new LossRecipe { OutlierWeight = p("outlierWeight", 0), ContrastiveWeight = p("contrastiveWeight", 0), Temperature = p("temperature", 0) };
                return new PasclObjective(weights, @case.Flags("tail"), device, @case.Has("classWeights") ? @case.Numbers("classWeights") : null);
            case Method.EnergyOutlierExposure:
                return new EnergyObjective(Energy(@case), (int)p("epochs", 0));
            case Method.Berl:
                var hinge = new BalancedOutlierHinge(
                    tensor(@case.Numbers("shares")), p("marginExponent", 0), p("weightExponent", 0), p("outlierMargin", 0), p("marginSlope", 0), p("detach", 0) != 0);
                return new EnergyObjective(Energy(@case), (int)p("epochs", 0), hinge);
            case Method.Cocl:
                var cocl = new CoclRecipe
                {
                    OutlierWeight = p("outlierWeight", 0),
                    TailWeight = p("tailWeight", 0),
                    HeadWeight = p("headWeight", 0),
                    Temperature = p("temperature", 0),
                    HeadMargin = p("headMargin", 0),
                };
                return new CoclObjective(cocl, prototypes!, @case.Flags("tail"), @case.Flags("head"), seed: 0);
            case Method.Eat:
                var eat = new EatRecipe { MixedWeight = p("mixedWeight", 0), OutlierWeight = p("outlierWeight", 0) };
                return new EatObjective(eat, new AbstentionHeads((int)p("heads", 0), (int)p("classes", 0)), new TailCutMix([], [], seed: 0));
            case Method.Rna:
                return new RnaObjective(new RnaRecipe { Weight = p("weight", 0), Adjustment = p("adjustment", 0) }, @case.Integers("counts"), device);
            case Method.Tscl:
                var tscl = new TsclRecipe { OutlierWeight = p("outlierWeight", 0), ContrastiveWeight = p("contrastiveWeight", 0), Temperature = p("temperature", 0) };
                return new TsclObjective(tscl, @case.Flags("tail"), _ => prototypes!);
            case Method.Patt:
                var patt = new PattRecipe { LogitTemperature = p("logitTemperature", 0), LogitWeight = p("logitWeight", 0), OutlierWeight = p("outlierWeight", 0) };
                var (means, width) = @case.Matrix("means");
                var directions = new ClassDirections(tensor(means).reshape(-1, width), tensor(@case.Numbers("seen")), p("temperature", 0), p("raw", 0) == 0);
                return new PattObjective(patt, @case.Integers("counts"), directions, CPU);
            case SecondPhaseOfEat:
                var recipe = Presets.Find("quickstart").Recipe;
                var columns = @case.Matrix("logits").Columns / (int)p("heads", 0);
                var counts = @case.Integers("counts");
                recipe = recipe with
                {
                    Loss = recipe.Loss with { LogitAdjustment = p("tau", 0) },
                    Baselines = recipe.Baselines with
                    {
                        Eat = new EatRecipe { Heads = (int)p("heads", 0), AbstentionColumns = columns - counts.Length, AbstentionCount = p("abstentionCount", 0) },
                    },
                };
                return new EatSecondObjective(new AbstentionHeads((int)p("heads", 0), counts.Length), EatMethod.Adjustment(recipe, counts), CPU);
            default:
                return new LogitObjective(device, adjustment: LogitAdjustment.Of(@case.Integers("counts"), p("tau", 0)), columns: @case.Integers("counts").Length);
        }
    }

    private static EnergyRecipe Energy(ConformanceCase @case) => new()
    {
        Weight = @case.Parameter("weight"),
        InDistributionMargin = @case.Parameter("margin"),
        OutlierMargin = @case.Parameter("outlierMargin"),
        WarmUp = @case.Parameter("warmUp"),
    };
}
