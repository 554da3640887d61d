using System.Text.Json;
using System.Text.RegularExpressions;
using Pascl.Tests.Training.Intake;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Networks;

namespace Pascl.Tests.Training.Cli;

/// <summary><c>evaluate --features</c> as a user types it.</summary>
[Platform("Linux")]
public sealed class ForeignEvaluationTests
{
    private const int Classes = 4;
    private const int Width = 6;

    private static readonly (string Set, int? Images)[] files = [("training", 72), ("test", 40), ("c100", 30), ("svhn", 25), ("v2", 40), ("held out", 40), ("classifier", null)];
    private static readonly LinearClassifier classifier = new([.. Random(Classes * Width, 1)], [.. Random(Classes, 2)]);

    private TemporaryFolder folder = null!;

    [OneTimeSetUp]
    public void WriteArrays()
    {
        folder = new TemporaryFolder();
        int[] training = [.. Enumerable.Repeat(0, 40).Concat(Enumerable.Repeat(1, 20)).Concat(Enumerable.Repeat(2, 8)).Concat(Enumerable.Repeat(3, 4))];
        int[] test = [.. Enumerable.Range(0, 40).Select(image => image % Classes)];
        Write("train", training, 3);
        Write("test", test, 4);
        Write("val", test, 5);
        Write("near", [.. Enumerable.Repeat(-1, 30)], 6);
        Write("far", [.. Enumerable.Range(0, 25).Select(image => image % 10)], 7);
        Write("shift", test, 8);
        Write("bare-train", training, 3, hasLogits: false);
        Write("bare-test", test, 4, hasLogits: false);
        Write("bare-near", [.. Enumerable.Repeat(-1, 30)], 6, hasLogits: false);
        Write("lean-train", training, 3, hasFeatures: false);
        Write("lean-test", test, 4, hasFeatures: false);
        Arrays.Npz(At("fc.npz"), isCompressed: false, ("weight", Arrays.Npy(classifier.Weight, $"({Classes}, {Width})")), ("bias", Arrays.Npy(classifier.Bias, $"({Classes},)")));
        folder.Write("classes.txt", "ape\nbat\ncat\ndog\n");
    }

    [OneTimeTearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public void any_model_has_report_scores_threshold_page_and_openoods_table()
    {
        var output = Succeed(
            "evaluate --features train.npz test.npz near:c100=near.npz far:svhn=far.npz shift:v2=shift.npz --classifier fc.npz --classes classes.txt --scores all "
            + "--tpr 0.9 --held-out val.npz --csv ood.csv --name resnet --seed 3 --out any");
        var report = EvaluationReport.Read(At("any/report.json"));
        var scores = ScoreReport.Read(At("any/scores.json"));
        var page = File.ReadAllText(At("any/report.html"));
        string[] network = ["odin", "adascale-a", "adascale-l"];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.ClassNames, Is.EqualTo((string[])["ape", "bat", "cat", "dog"]));
            Assert.That(report.TrainingCounts, Is.EqualTo((int[])[40, 20, 8, 4]));
            Assert.That(report.Deployed.Groups.Select(group => group.Sets.Single()), Is.EqualTo((string[])["c100", "svhn"]));
            Assert.That(report.Deployed.FullSpectrum!.Sets.Select(set => set.InDistributionImages), Is.All.EqualTo(80));
            Assert.That(report.Threshold!.Images, Is.EqualTo(40));
            Assert.That(report.Threshold.Rows.Select(row => row.Set), Is.EqualTo((string[])["these images", "test images", "c100", "svhn", "v2"]));
            Assert.That(report.Threshold.Rows[0].Accepted, Is.EqualTo(0.9));
            Assert.That((report.Model!.Name, report.Model.Seed), Is.EqualTo(("resnet", 3)));
            Assert.That(report.Model.Files.Select(file => (file.Set, file.Images)), Is.EqualTo(files));
            Assert.That(scores.Scores.Select(score => score.Name), Is.EqualTo(ScoreSpec.All.Select(score => score.Name).Except(network)));
            Assert.That(scores.Scores[0].Sets.Select(set => set.Metrics), Is.EqualTo(report.Deployed.Sets.Select(set => set.Result.Metrics)), "msp is the report's score");
            Assert.That(output, Does.Contain("near, mean of 1").And.Contain("Full spectrum").And.Contain("labels of svhn are not used").And.Contain("Peak memory"));
            Assert.That(page, Does.Contain("Evaluation of resnet").And.Contain("What the threshold does").And.Contain(report.Model.Files[0].Sha256).And.Not.Contain("auxiliary branch"));
            Assert.That(File.ReadAllLines(At("ood.csv"))[2], Does.StartWith("nearood,"));
            Assert.That(File.Exists(At("ood-fsood.csv")) && File.Exists(At("ood-vim.csv")), Is.True);
        }
    }

    [Test]
    public void another_score_makes_report_and_threshold()
    {
        Succeed("evaluate --features train.npz test.npz near.npz --score knn:k=3 --tpr 0.95 --out by-knn.json");
        var report = EvaluationReport.Read(At("by-knn.json"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.Score, Is.EqualTo("knn:k=3"));
            Assert.That(report.Threshold!.Score, Is.EqualTo("knn:k=3"));
            Assert.That(report.Conventions["score"], Does.Contain("k-th smallest"));
            Assert.That(report.Model!.Name, Is.EqualTo("by-knn"));
            Assert.That(File.Exists(At("by-knn.html")) && File.Exists(At("by-knn-figures.json")), Is.True);
        }
    }

    [Long]
    [Test]
    public void the_classifier_alone_gives_what_logits_in_the_files_give()
    {
        Succeed("evaluate --features bare-train.npz bare-test.npz near=bare-near.npz --classifier fc.npz --out computed");
        Succeed("evaluate --features train.npz test.npz near.npz --out stored");
        var (computed, stored) = (EvaluationReport.Read(At("computed/report.json")), EvaluationReport.Read(At("stored/report.json")));
        Assert.That(computed.Deployed.Sets[0].Result.Metrics, Is.EqualTo(stored.Deployed.Sets[0].Result.Metrics));
        Assert.That(computed.Deployed.Classification.Accuracy, Is.EqualTo(stored.Deployed.Classification.Accuracy));
    }

    [Test]
    public void without_logits_scores_of_features_are_compared_and_the_others_say_what_they_need()
    {
        var (output, error) = SucceedWithError("evaluate --features bare-train.npz bare-test.npz near=bare-near.npz --scores all --out bare");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                ScoreReport.Read(At("bare/scores.json")).Scores.Select(score => score.Name),
                Is.EqualTo((string[])["mahalanobis", "mahalanobis-normalised", "knn", "feature-norm", "rmds", "rmds-normalised", "hpm"]));
            Assert.That(File.Exists(At("bare/report.json")), Is.False);
            Assert.That(output, Does.Contain("without logits images are not classified"));
            Assert.That(error, Does.Contain("msp, max-logit").And.Contain("need logits; left out").And.Contain("react, dice").And.Contain("--classifier"));
        }
    }

    [Test]
    public void with_logits_alone_scores_of_logits_are_compared()
    {
        var (_, error) = SucceedWithError("evaluate --features lean-train.npz lean-test.npz near.npz --scores msp,kl-matching,knn --out lean");
        Assert.That(ScoreReport.Read(At("lean/scores.json")).Scores.Select(score => score.Name), Is.EqualTo((string[])["msp", "kl-matching"]));
        Assert.That(EvaluationFigures.Read(At("lean/figures.json")).Features, Is.Null);
        Assert.That(error, Does.Contain("The score knn needs features and features of the training images; left out."));
    }

    [Test, Long]
    public void several_models_are_compared_and_another_split_is_refused()
    {
        foreach (var (name, seed) in new[] { ("a", 0), ("a", 1), ("b", 0), ("b", 1) })
        {
            Succeed($"evaluate --features train.npz test.npz near.npz far:far.npz --name {name} --seed {seed} --out {name}-{seed}");
        }

        var output = Succeed("compare a-0 a-1 b-0 b-1 --out comparison");
        Assert.That(output, Does.Contain("b").And.Contain("0.00 ± 0.00 [0.00, 0.00]"), "the same arrays");
        Assert.That(JsonDocument.Parse(File.ReadAllText(At("comparison/comparison.json"))).RootElement.GetProperty("methods").GetArrayLength(), Is.EqualTo(2));
        Write("other-test", [.. Enumerable.Range(0, 40).Select(image => (image + 1) % Classes)], 4);
        Succeed("evaluate --features train.npz other-test.npz near.npz --name c --out c-0");
        Refuse("compare a-0 c-0", "tested on other images", "labels of their test images differ");
        Succeed("evaluate --features train.npz test.npz near.npz --name a --out again");
        Refuse("compare a-0 again", "same model by name", "--seed");
    }

    [Test]
    public void the_example_of_the_documentation_runs()
    {
        var page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "any-model.md"));
        var example = Regex.Match(page, @"## An example\s+```sh\n(?<lines>.*?)```", RegexOptions.Singleline).Groups["lines"].Value;
        string[] lines = [.. example.Split('\n').Where(line => line.StartsWith("pascl ", StringComparison.Ordinal)).Select(line => line.Split('#')[0]["pascl ".Length..].TrimEnd())];
        Assert.That(lines, Has.Length.EqualTo(3));
        Array.ForEach(lines, line => Succeed(line));
        Assert.That(File.ReadAllText(At("documented/comparison.md")), Does.Contain("resnet-msp").And.Contain("resnet-energy"));
    }

    [TestCase("evaluate", "needs to know what to evaluate", "--features TRAIN TEST")]
    [TestCase("evaluate some-run --features train.npz test.npz", "the run some-run and --features", "give one")]
    [TestCase("evaluate --features train.npz", "names one set", "test images")]
    [TestCase("evaluate --features train.npz nowhere.npz", "nowhere.npz does not exist", "safetensors")]
    [TestCase("evaluate --features train.npz test.npz --id photos", "--id has no use for arrays")]
    [TestCase("evaluate --features train.npz test.npz --check-convolutions off", "--check-convolutions has no use")]
    [TestCase("evaluate some-run --logits-output z", "--logits-output has no use for a run")]
    [TestCase("evaluate --model m.onnx --features train.npz test.npz", "--features and --model")]
    [TestCase("evaluate --model m.onnx", "--model needs images", "--benchmark")]
    [TestCase("evaluate --features train.npz test.npz --benchmark cifar10=x", "--benchmark has no use for arrays")]
    [TestCase("evaluate some-run --benchmark cifar11=x", "no benchmark 'cifar11'", "imagenet200")]
    [TestCase("evaluate some-run --benchmark cifar10=x", "does not name the data of OpenOOD", "benchmark_imglist")]
    [TestCase("evaluate some-run --tpr 0.95", "--tpr has no use for a run")]
    [TestCase("evaluate --features train.npz test.npz far:noise:gaussian", "is a set of images")]
    [TestCase("evaluate --features train.npz test.npz near.npz near.npz", "Two out-of-distribution sets are called near")]
    [TestCase("evaluate --features train.npz test.npz --tpr 2", "--tpr is 2", "at most 1")]
    [TestCase("evaluate --features train.npz test.npz near.npz --scores odin", "odin needs the network itself")]
    [TestCase("evaluate --features train.npz test.npz near.npz --score vim", "vim needs the weights of the classifier", "--classifier")]
    [TestCase("evaluate --features bare-train.npz bare-test.npz", "A report needs logits", "--classifier")]
    [TestCase("evaluate --features train.npz test.npz shift:near.npz", "near[0] in the covariate-shifted set near has no class")]
    [TestCase("evaluate --features train.npz test.npz --classifier train.npz", "no classifier", "fc.weight")]
    [TestCase("evaluate --features train.npz test.npz --classes nowhere.txt", "nowhere.txt cannot be read")]
    [TestCase("evaluate --features train.npz test.npz --csv .", "is a folder", "ood.csv")]
    public void bad_input_ends_with_exit_code_2_and_sentences(string line, params string[] expected) => Refuse(line, expected);

    [Test]
    public void nothing_is_written_over_without_force()
    {
        Succeed("evaluate --features train.npz test.npz near.npz --out kept --csv kept.csv");
        var before = File.ReadAllText(At("kept/report.json"));
        Refuse("evaluate --features train.npz test.npz near.npz --score energy --out kept", "report.json exists already", "--force");
        Refuse("evaluate --features train.npz test.npz near.npz --score energy --csv kept.csv", "kept.csv exists already; choose another --csv");
        Assert.That(File.ReadAllText(At("kept/report.json")), Is.EqualTo(before));
        Succeed("evaluate --features train.npz test.npz near.npz --score energy --out kept --csv kept.csv --force");
        Assert.That(EvaluationReport.Read(At("kept/report.json")).Score, Is.EqualTo("energy"));
    }

    private void Write(string name, int[] labels, int seed, bool hasFeatures = true, bool hasLogits = true)
    {
        float[] features = [.. Random(labels.Length * Width, seed).Select((value, i) => value + (labels[i / Width] >= 0 && i % Width == labels[i / Width] % Width ? 1 : 0))];
        var logits = new float[labels.Length * Classes];
        for (var i = 0; i < logits.Length; i++)
        {
            var (image, label) = (i / Classes, i % Classes);
            logits[i] = (float)(classifier.Bias[label] + Enumerable.Range(0, Width).Sum(j => (double)classifier.Weight[(label * Width) + j] * features[(image * Width) + j]));
        }

        (string, byte[])[] arrays =
        [
            ("labels", Arrays.Npy(Array.ConvertAll(labels, label => (long)label), $"({labels.Length},)")),
            .. hasFeatures ? [("features", Arrays.Npy(features, $"({labels.Length}, {Width})"))] : Array.Empty<(string, byte[])>(),
            .. hasLogits ? [("logits", Arrays.Npy(logits, $"({labels.Length}, {Classes})"))] : Array.Empty<(string, byte[])>(),
        ];
        Arrays.Npz(At($"{name}.npz"), isCompressed: seed % 2 == 0, arrays);
    }

    private static IEnumerable<float> Random(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)random.NextDouble())];
    }

    private string At(string name) => Path.Combine(folder.Path, name);

    // Names of files as a user who stands in the folder types them.
    private string Line(string line) => Regex.Replace(
        line, @"(?<= |:|=)([\w.-]+\.(npz|txt|csv|json)|any|bare|lean|resnet-msp|resnet-energy|documented|computed|stored|kept|comparison|again|[abc]-[01])(?= |$)", match => At(match.Value));

    private string Succeed(string line) => SucceedWithError(line).Output;

    private (string Output, string Error) SucceedWithError(string line)
    {
        var (code, output, error) = PasclProgram.Run(Line(line), ("OMP_NUM_THREADS", "1"));
        Assert.That(code, Is.Zero, output + error);
        return (output, error);
    }

    private void Refuse(string line, params string[] expected)
    {
        var (code, error) = InProcess.Refused(Line(line));
        Assert.That(code, Is.EqualTo(2), error);
        Assert.That(error, Does.Not.Contain("   at "));
        Assert.That(expected, Is.All.Matches<string>(part => error.Contains(part, StringComparison.Ordinal)), error);
    }
}
