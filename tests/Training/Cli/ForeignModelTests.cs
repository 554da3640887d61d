using Pascl.Tests.Training.Backbones;
using Pascl.Tests.Training.Deployment;
using Pascl.Tests.Training.Recipes;
using Pascl.Training;
using Pascl.Training.Backbones;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Intake;

namespace Pascl.Tests.Training.Cli;

/// <summary><c>evaluate --model</c> as a user types it, on the benchmark of two classes of <see cref="OpenOodFolder"/>.</summary>
[Platform("Linux")]
public sealed class ForeignModelTests
{
    private TemporaryFolder folder = null!;

    private string Options => $"--image-size {TinyBackbone.Size} --backbone-input none --feature-cache {folder.Path}/cache";

    [SetUp]
    public void Prepare()
    {
        OnnxLibrary.Require();
        folder = new TemporaryFolder();
        OpenOodFolder.Write(folder);
    }

    [TearDown]
    public void Delete() => folder?.Dispose();

    [Test]
    public void a_model_with_features_and_logits_is_evaluated_on_a_benchmark()
    {
        var model = TinyBackbone.Classifier(At("model.onnx"));
        var output = Succeed($"evaluate --model {model} --benchmark cifar10={folder.Path} {Options} --scores msp,knn:k=1,mahalanobis --tpr 0.5 --csv {At("ood.csv")} --out {At("out")}");
        var report = EvaluationReport.Read(At("out/report.json"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(output, Does.Contain("12 features, the output features; 2 logits, the output logits"));
            Assert.That(report.Deployed.Groups.Select(group => group.Sets.Count), Is.EqualTo((int[])[2, 4]));
            Assert.That(report.Deployed.FullSpectrum!.Sets[0].InDistributionImages, Is.EqualTo(7));
            Assert.That(report.Deployed.Classification.Accuracy.Overall, Is.EqualTo(1), "dark and bright images");
            Assert.That(report.Threshold!.Images, Is.EqualTo(2), "the list of validation images");
            Assert.That(report.Model!.Files.Select(file => file.Set), Does.Contain("model").And.Contain("cifar100").And.Contain("held out"));
            Assert.That(report.Model.Files.Where(file => file.Set == "cifar100").Select(file => file.File), Does.Contain("test_cifar100.txt"), "the list, by its own hash");
            Assert.That(report.Worst.InDistribution[0].Source, Does.Contain("images_classic/cifar10/test/"));
            Assert.That(File.Exists(At("out/worst.png")), Is.True);
            Assert.That(ScoreReport.Read(At("out/scores.json")).Scores, Has.Count.EqualTo(3));
            Assert.That(File.ReadAllLines(At("ood.csv")).Select(line => line.Split(',')[0]), Is.EqualTo((string[])
                ["dataset", "cifar100", "tin", "nearood", "mnist", "svhn", "texture", "places365", "farood"]));
        }
    }

    [Test]
    public void a_model_with_features_alone_needs_a_classifier_for_a_report()
    {
        var model = TinyBackbone.Quarters(At("model.onnx"));
        var output = Succeed($"evaluate --model {model} --benchmark cifar10={folder.Path} {Options} --scores all --out {At("out")}");
        Assert.That(output, Does.Contain("12 features, the output features; no logits").And.Contain("without logits images are not classified"));
        Assert.That(ScoreReport.Read(At("out/scores.json")).Scores.Select(score => score.Name), Does.Contain("knn").And.Not.Contain("msp"));
    }

    [Test]
    public void what_is_wrong_is_said_in_a_sentence()
    {
        var two = TinyBackbone.TwoOutputs(At("two.onnx"), "a", "b");
        Refuse($"evaluate --model {two} --benchmark cifar10={folder.Path} {Options}", "which are features is not clear", "--features-output");
        Refuse($"evaluate --model {two} --benchmark cifar10={folder.Path} {Options} --features-output a --logits-output c", "has no output c", "--logits-output");
        Refuse($"evaluate --model {two} --benchmark cifar10={folder.Path} {Options} --features-output a --logits-output b", "cannot be the logits of 2 classes");
        Refuse($"evaluate --model {At("nowhere.onnx")} --benchmark cifar10={folder.Path} {Options}", "nowhere.onnx");
        Refuse($"evaluate --model {two} --images {At("nowhere")} {Options}", "nowhere");
        Refuse($"evaluate --model {two} --images {folder.Path} --held-out val.npz", "--held-out has no use for a model on images");
    }

    [Test]
    public void outputs_are_told_apart_by_name_by_width_and_by_the_user()
    {
        BackboneOutput features = Row("feats", 12), logits = Row("output", 2), other = Row("aux", 12);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Choose(null, null, features, logits), Is.EqualTo((features, logits)));
            Assert.That(Choose(null, null, other, logits), Is.EqualTo((other, logits)), "as many as there are classes");
            Assert.That(Choose(null, null, logits), Is.EqualTo(((BackboneOutput?)null, logits)));
            Assert.That(Choose(null, null, other), Is.EqualTo((other, (BackboneOutput?)null)));
            Assert.That(Choose("aux", "output", features, other, logits), Is.EqualTo((other, logits)));
            Assert.That(() => Choose("aux", "aux", other, logits), Throws.TypeOf<InputException>());
        }

        static (BackboneOutput?, BackboneOutput?) Choose(string? features, string? logits, params BackboneOutput[] outputs) =>
            new OutputNames(features, logits).Choose(outputs, 2, "model.onnx");

        static BackboneOutput Row(string name, int width) => new(name, $"{name} Float (1, {width})", FeatureReading.Row, width);
    }

    private string At(string name) => Path.Combine(folder.Path, name);

    private static string Succeed(string line)
    {
        var (code, output, error) = PasclProgram.Run(line, ("OMP_NUM_THREADS", "1"));
        Assert.That(code, Is.Zero, output + error);
        return output;
    }

    private static void Refuse(string line, params string[] expected)
    {
        var (code, error) = InProcess.Refused(line);
        Assert.That(code, Is.EqualTo(2), error);
        Assert.That(error, Does.Not.Contain("   at "));
        Assert.That(expected, Is.All.Matches<string>(part => error.Contains(part, StringComparison.Ordinal)), error);
    }
}
