using System.Diagnostics;
using System.Text.RegularExpressions;
using Pascl.Tests.Training.Data.Formats;
using Pascl.Tests.Training.Deployment;
using Pascl.Training;
using Pascl.Training.Backbones;
using Pascl.Training.Checkpoints;
using Pascl.Training.Checkpoints.PyTorch;
using Pascl.Training.Data;
using Pascl.Training.Deployment.Onnx;
using Pascl.Training.Evaluation;
using Pascl.Training.Methods;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;

namespace Pascl.Tests.Training.Cli;

/// <summary>Export and import as a user types them, on a run of random weights.</summary>
public sealed partial class ExportCommandTests
{
    private const string Options = "--preset quickstart --image-size 8 --threads 1";
    private static readonly Recipe recipe = TinyTraining.Recipe with { Width = 4 };

    private TemporaryFolder folder = null!;

    [OneTimeSetUp]
    public void RequireLibrary() => OnnxLibrary.Require();

    [SetUp]
    public void CreateFolder() => folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public void a_calibrated_run_becomes_a_verified_model_that_decides()
    {
        var run = Run(new ScoreThreshold("energy", 0.9, -1.5, 100));
        var (code, output, error) = InProcess.Run($"export {run} --format onnx");
        Assert.That(code, Is.Zero, error);
        using var session = new OnnxSession(File.ReadAllBytes(Path.Combine(run, "model.onnx")));
        Assert.Multiple(() =>
        {
            Assert.That(output, Does.Match($"Verified by ONNX Runtime on {TinyTraining.Data.Test.Count} images of .*every decision and with a largest difference of \\d.\\de-\\d"));
            Assert.That(output, Does.Match("Written: .*model.onnx \\(\\d.\\d\\d MB\\)"));
            Assert.That(session.Metadata["score"], Is.EqualTo("energy"));
            Assert.That(session.Metadata["image_size"], Is.EqualTo("8"));
            Assert.That(session.Metadata["true_positive_rate"], Is.EqualTo("0.9"));
            Assert.That(session.Outputs, Does.Contain("accepted"));
        });
    }

    [Test]
    public void a_model_for_floats_with_another_score_may_be_verified_on_other_images()
    {
        var run = Run(null);
        for (var i = 0; i < 3; i++)
        {
            folder.Write($"pictures/{i}.png", TestImages.Plain(8, 8, (byte)(80 * i)));
        }

        var model = Path.Combine(folder.Path, "floats.onnx");
        var (code, output, error) = InProcess.Run(
            $"export {run} --format onnx --input float --without-threshold --score entropy --images {Path.Combine(folder.Path, "pictures")} --out {model}");
        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Contain("on 3 images of pictures").And.Contain("entropy"));
        using var session = new OnnxSession(File.ReadAllBytes(model));
        Assert.That(session.Outputs, Is.EqualTo(["logits", "probabilities", "ood_score"]));
    }

    [TestCase("--format onnx", "has no threshold", "calibrate ", "--without-threshold")]
    [TestCase("--format onnx --without-threshold --score odd", "There is no score 'odd'")]
    [TestCase("--format onnx --without-threshold --score energy-prior", "energy-prior cannot be exported", "msp, max-logit, energy, entropy")]
    [TestCase("--format onnx --without-threshold --out /no/such/folder/model.onnx", "could not be written: its folder does not exist")]
    [TestCase("--format onnx --without-threshold --images /no/such/images", "/no/such/images")]
    [TestCase("--format pth --score msp", "--score goes with --format onnx")]
    [TestCase("--format safetensors --input float", "--input goes with --format onnx")]
    [TestCase("--format pth --preprocess in-graph", "--preprocess goes with --format onnx")]
    [TestCase("--format onnx --without-threshold --preprocess in-graph --input float", "--preprocess in-graph takes the bytes of pictures", "leave out --input")]
    [TestCase("--format onnx --without-threshold --preprocess inside", "inside", "outside", "in-graph")]
    [TestCase("--format onnx --without-threshold --input picture", "picture", "uint8", "float")]
    [TestCase("--format torchscript", "torchscript")]
    [TestCase("--format pth --quantise int8", "--quantise goes with --format onnx")]
    [TestCase("--format onnx --without-threshold --quantise int4", "int4")]
    [TestCase("--format pth --id photos", "--id goes with --format onnx")]
    [TestCase("--format onnx --without-threshold --id photos", "built-in images", "not in photos")]
    [TestCase("--format onnx --without-threshold --quantise int8 --ood no-such-images", "no-such-images")]
    [TestCase("", "--format")]
    public void bad_input_ends_with_exit_code_2_and_sentences(string options, params string[] expected)
    {
        var run = Run(null);
        var (code, _, error) = InProcess.Run($"export {run} {options}".TrimEnd());
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(2), error);
            Assert.That(error.Trim().Split('\n'), Has.Length.LessThanOrEqualTo(2), error);
            Assert.That(expected, Is.All.Matches<string>(part => error.Contains(part, StringComparison.Ordinal)), error);
            Assert.That(Directory.GetFiles(run, "model*"), Is.Empty, "nothing is written");
        });
    }

    [TestCase(Method.Cocl, "outlier-probability")]
    [TestCase(Method.Eat, "abstention-mass")]
    public void a_method_with_a_score_of_its_own_is_calibrated_and_exported_with_it(string method, string score)
    {
        var run = Run(null, recipe with { Method = method });
        var (code, output, error) = PasclProgram.Run($"calibrate {run} --tpr 0.8");
        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Contain($"its {score} score is at most"));
        (code, output, error) = InProcess.Run($"export {run} --format onnx");
        Assert.That(code, Is.Zero, error);
        using var session = new OnnxSession(File.ReadAllBytes(Path.Combine(run, "model.onnx")));
        var accepted = session.Run(TinyTraining.Data.Test, Pascl.Training.Deployment.PixelType.UInt8).Accepted!;
        Assert.Multiple(() =>
        {
            Assert.That(session.Metadata["score"], Is.EqualTo(score));
            Assert.That(accepted.Count(one => one) / (double)accepted.Length, Is.EqualTo(0.8).Within(0.01), "the threshold was chosen on the test set");
        });
    }

    [TestCase(Method.Cocl)]
    [TestCase(Method.Eat)]
    public void a_network_with_more_outputs_than_classes_is_not_written_for_the_authors_network(string method)
    {
        var run = Run(null, recipe with { Method = method });
        var (code, _, error) = InProcess.Run($"export {run} --format pth");
        Assert.That(code, Is.EqualTo(2), error);
        Assert.That(error, Does.Contain("other outputs than one for each class").And.Contain("--format safetensors"));
        Assert.That(Directory.GetFiles(run, "model*"), Is.Empty, "nothing is written");
        Assert.That(InProcess.Run($"export {run} --format safetensors").Code, Is.Zero);
    }

    [Test]
    public void a_threshold_of_one_score_is_not_given_to_another()
    {
        var (code, _, error) = InProcess.Run($"export {Run(new ScoreThreshold("msp", 0.95, 0.5, 100))} --format onnx --score energy");
        Assert.That((code, error), Is.EqualTo((2, error)).And.Matches<(int, string)>(_ => error.Contains("threshold is one of the score msp, not of energy")));
    }

    [Test]
    public void a_model_in_eight_bits_comes_with_what_it_loses_which_the_model_card_repeats()
    {
        var run = Run(new ScoreThreshold("msp", 0.9, 0.4, 100));
        var (code, output, error) = PasclProgram.Run($"export {run} --format onnx --quantise int8");
        Assert.That(code, Is.Zero, error);
        var model = Path.Combine(run, "model-int8.onnx");
        using var session = new OnnxSession(File.ReadAllBytes(model));
        var report = QuantisationReport.FromJson(File.ReadAllText(Path.Combine(run, "model-int8.quantisation.json")));
        var sets = TinyTraining.Data.OutOfDistribution.Select(set => set.Name).ToArray();
        Assert.Multiple(() =>
        {
            Assert.That(output, Does.Contain("Verified by ONNX Runtime").And.Contain(" training images, because the run held none out (--validation)").And.Contain("images/s in float32"));
            Assert.That(output, Does.Match("\\naverage +\\d+\\.\\d\\d +\\d+\\.\\d\\d +[+-]?\\d+\\.\\d\\d"));
            Assert.That(Directory.GetFiles(run, "model*").Select(Path.GetFileName), Is.EquivalentTo(["model-int8.onnx", "model-int8.examples.json", "model-int8.quantisation.json"]));
            Assert.That(session.Metadata["precision"], Is.EqualTo("int8"));
            Assert.That(report.Float32.Sets.Select(set => set.Name), Is.EqualTo(sets).And.EqualTo(report.Int8.Sets.Select(set => set.Name)));
            Assert.That(report.Int8.Threshold, Is.EqualTo(double.Parse(session.Metadata["threshold"])));
        });

        // The numbers of float32 are those of an evaluation.
        using (var opened = Pascl.Training.Run.Open(RunFolder.Open(run)))
        {
            var evaluated = Evaluator.Evaluate(images => Predictions.Of(opened.Network, images), TinyTraining.Data.Test, TinyTraining.Data.OutOfDistribution, new EvaluationProtocol(
                opened.Info.TrainingCounts, [.. opened.Info.TrainingCounts.Select(_ => false)], ShotGroups.UsualRule(opened.Info.ClassNames.Count))).Deployed;
            Assert.That(report.Float32.Auroc, Is.EqualTo(evaluated.Average!.Metrics.Auroc).Within(1e-3));
            Assert.That(report.Float32.Fpr95, Is.EqualTo(evaluated.Average!.Metrics.Fpr95).Within(2e-2));
            Assert.That(report.Float32.Accuracy, Is.EqualTo(evaluated.Classification.Accuracy.Overall).Within(1e-2));
        }

        var accepted = session.Run(TinyTraining.Data.Test, Pascl.Training.Deployment.PixelType.UInt8).Accepted!;
        Assert.That(report.Int8.Accepted, Is.EqualTo(accepted.Count(one => one) / (double)accepted.Length).Within(1e-9));
        Assert.That(InProcess.Run($"export {run} --format onnx --quantise int8").Code, Is.EqualTo(2), "the files exist");
        Assert.That(InProcess.Run($"report {run} --format markdown").Code, Is.Zero);
        Assert.That(File.ReadAllText(Path.Combine(run, "model-card.md")), Does.Contain("## In eight bits (`model-int8.onnx`)").And.Contain("| average |").And.Contain(QuantisationText.Chosen(report)));
    }

    [Test]
    public void a_large_loss_is_a_warning_with_its_figure()
    {
        QuantisedNumbers Numbers(double? auroc) => new(auroc, auroc is null ? null : 0.5, 0.6, null, null, 1000, []);
        QuantisationReport Report(double? before, double? after) => new("msp", "images", 7, 1, Numbers(before), Numbers(after));
        Assert.That(QuantisationText.Sentences(Report(0.9, 0.894)).Last(), Does.StartWith("Warning: eight bits cost 0.60 points of AUROC, more than 0.5;"));
        Assert.That(QuantisationText.Sentences(Report(0.9, 0.896)), Has.None.StartsWith("Warning"));
        Assert.That(QuantisationText.Sentences(Report(0.9, 0.91)), Has.None.StartsWith("Warning"));
        Assert.That(QuantisationText.Sentences(Report(null, null)), Has.None.StartsWith("Warning").And.Some.StartsWith("Accuracy 60.00 % in float32"));
        Assert.That(QuantisationText.Rows(Report(null, null)), Is.Empty, "a run without out-of-distribution sets");
        Assert.That(QuantisationReport.FromJson(Report(null, null).ToJson()).Loss, Is.Null);
    }

    [TestCase("pth", "model-main.pth", "--auxiliary", "model-auxiliary.pth")]
    [TestCase("safetensors", "model.safetensors")]
    public void exported_weights_come_back_as_a_run_that_can_be_exported(string format, string main, params string[] more)
    {
        var run = Run(null);
        Assert.That(InProcess.Run($"export {run} --format {format}").Code, Is.Zero);
        var imported = Path.Combine(folder.Path, "imported");
        var files = string.Join(' ', more.Select(part => part.StartsWith('-') ? part : Path.Combine(run, part)).Prepend(Path.Combine(run, main)));
        var (code, output, error) = InProcess.Run($"import {files} {Options} --out {imported}");
        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Contain("tensors matched, 0 missing").And.Contain(imported).And.Not.Contain("--resume"));
        Assert.That(InProcess.Run($"export {imported} --format onnx --without-threshold").Code, Is.Zero);
        Assert.That(InProcess.Run($"export {run} --format onnx --without-threshold").Code, Is.Zero);
        Assert.That(Graph(imported), Is.EqualTo(Graph(run)), "the run knows its images by now, and only the metadata say so");
        Assert.That(Path.Combine(imported, "recipe.json"), Does.Exist);
    }

    [Long]
    [Test]
    public void a_first_phase_alone_is_finetuned_by_resuming_and_evaluated()
    {
        var run = Run(null);
        Assert.That(InProcess.Run($"export {run} --format pth").Code, Is.Zero);
        var imported = Path.Combine(folder.Path, "imported");
        var (code, output, error) = InProcess.Run(
            $"import {Path.Combine(run, "model-main.pth")} {Options} --outlier-batch 32 --batch 150 --finetune-batch 150 --finetune-epochs 1 --out {imported}");
        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Contain($"train --resume {imported}"));
        var before = TinyTraining.Tensors(RunFolder.Open(imported));
        (code, _, error) = PasclProgram.Run($"train --resume {imported}");
        Assert.That(code, Is.Zero, error);
        Assert.That(EvaluationReport.Read(Path.Combine(imported, "report.json")).TrainingCounts, Is.EqualTo(TinyTraining.Data.Training.CountPerClass()));
        var after = TinyTraining.Tensors(RunFolder.Open(imported));
        Assert.Multiple(() =>
        {
            Assert.That(after["model.layer1.0.conv1.weight"], Is.EqualTo(before["model.layer1.0.conv1.weight"]));
            Assert.That(after["model.linear.weight"], Is.EqualTo(before["model.linear.weight"]));
            Assert.That(after["model.auxiliary_linear.weight"], Is.Not.EqualTo(before["model.auxiliary_linear.weight"]));
        });
    }

    [TestCase("import /no/such/file.pth " + Options, "/no/such/file.pth", "there is no such file")]
    [TestCase("import FILE", "train needs to know what to train on")]
    [TestCase("import FILE --classifier aux_linear " + Options, "name that file with --auxiliary")]
    [TestCase("import FILE --method eat " + Options, "The method eat keeps more")]
    [TestCase("import FILE --width 64 " + Options, "width 4, not a resnet18 of width 64")]
    [TestCase("import FILE --auxiliary FILE " + Options, "holds both branches already")]
    public void an_import_that_cannot_be_says_why_and_writes_nothing(string line, params string[] expected)
    {
        var run = Run(null);
        Assert.That(InProcess.Run($"export {run} --format safetensors").Code, Is.Zero);
        var target = Path.Combine(folder.Path, "imported");
        var (code, _, error) = InProcess.Run($"{line.Replace("FILE", Path.Combine(run, "model.safetensors"), StringComparison.Ordinal)} --out {target}");
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(2), error);
            Assert.That(expected, Is.All.Matches<string>(part => error.Contains(part, StringComparison.Ordinal)), error);
            Assert.That(Directory.Exists(target), Is.False);
        });
    }

    [Test]
    public void data_of_other_classes_is_refused()
    {
        using var network = SmallNetworks.Create(2, classCount: 3);
        var path = Path.Combine(folder.Path, "three.safetensors");
        WeightExport.WriteSafetensors(path, network, new Dictionary<string, string>());
        var (code, _, error) = InProcess.Run($"import {path} {Options}");
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain("knows 3 classes, but"));
    }

    [Test]
    [Platform("Linux")]
    public void the_sample_uses_the_model_by_onnx_runtime_alone()
    {
        var run = Run(new ScoreThreshold("msp", 0.95, 0.4, 100));
        Assert.That(InProcess.Run($"export {run} --format onnx").Code, Is.Zero);
        using var session = new OnnxSession(File.ReadAllBytes(Path.Combine(run, "model.onnx")));
        var images = TinyTraining.Data.Test.Select([0, 40, 80]);
        var expected = session.Run(images, Pascl.Training.Deployment.PixelType.UInt8);
        var files = Enumerable.Range(0, images.Count).Select(i => folder.Write($"{i}.png", TestImages.Png(8, 8, images.Pixels(i).ToArray())));

        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "OnnxInference"), [Path.Combine(run, "model.onnx"), .. files])
        {
            RedirectStandardOutput = true,
        };
        using var process = Process.Start(start)!;
        var lines = process.StandardOutput.ReadToEnd().Trim().Split('\n');
        process.WaitForExit();
        Assert.That((process.ExitCode, lines.Length), Is.EqualTo((0, 3)));
        Assert.Multiple(() =>
        {
            for (var i = 0; i < lines.Length; i++)
            {
                var match = SampleLine().Match(lines[i]);
                Assert.That(match.Groups["class"].Value, Is.EqualTo(images.ClassNames[new Logits(expected.Logits, images.ClassCount).Classes()[i]]), lines[i]);
                Assert.That(double.Parse(match.Groups["score"].Value), Is.EqualTo(expected.Scores[i]).Within(1e-5), lines[i]);
                Assert.That(lines[i].EndsWith("accepted", StringComparison.Ordinal), Is.EqualTo(expected.Accepted![i]), lines[i]);
            }
        });
    }

    [Test]
    [Platform("Linux")]
    public void the_sample_gives_the_scores_of_the_examples_for_every_variant_of_a_model(
        [Values(
            "", " --input float", " --without-threshold", " --input float --without-threshold", " --quantise int8 --out MODEL", " --preprocess in-graph",
            " --preprocess in-graph --quantise int8 --out MODEL")] string options)
    {
        var run = Run(new ScoreThreshold("msp", 0.95, 0.4, 100));
        Assert.That(InProcess.Run($"export {run} --format onnx{options.Replace("MODEL", Path.Combine(run, "model.onnx"), StringComparison.Ordinal)}").Code, Is.Zero);
        var (code, output, error) = Sample(Path.Combine(run, "model.onnx"), "--examples");
        Assert.That(code, Is.Zero, output + error);
        Assert.That(output, Does.StartWith("10 examples: ").And.Contain("0 other decisions"));
    }

    // A picture that is no square, on the command line and by ONNX Runtime alone.
    [TestCase("small")]
    [TestCase("bilinear")]
    [TestCase("bicubic")]
    [Platform("Linux")]
    public void a_model_that_takes_pictures_gives_the_score_and_the_class_of_the_command(string kind)
    {
        var geometry = kind == "small" ? ImageGeometry.SmallImages : new ImageGeometry(kind == "bilinear" ? Interpolation.PillowBilinear : Interpolation.PillowBicubic, 256.0 / 224);
        var run = Run(new ScoreThreshold("msp", 0.95, 0.4, 100), recipe, geometry);
        var (code, output, error) = InProcess.Run($"export {run} --format onnx --preprocess in-graph");
        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Contain(" and 5 pictures of other sizes, every decision"));
        var pixels = new byte[211 * 83 * 3];
        new Random(1).NextBytes(pixels);
        var picture = folder.Write("picture.png", TestImages.Png(211, 83, pixels));
        using var scored = System.Text.Json.JsonDocument.Parse(PasclProgram.Run($"score {run} {picture}").Output);
        var line = Sample(Path.Combine(run, "model.onnx"), picture).Output.Trim();
        var match = SampleLine().Match(line);
        Assert.That(match.Groups["class"].Value, Is.EqualTo(scored.RootElement.GetProperty("class").GetString()), line);
        Assert.That(double.Parse(match.Groups["score"].Value), Is.EqualTo(scored.RootElement.GetProperty("score").GetDouble()).Within(2e-6), line);
    }

    // Images of 8 pixels: shorter side 9, square in the centre.
    [TestCase(Interpolation.PillowBilinear)]
    [TestCase(Interpolation.PillowBicubic)]
    [Platform("Linux")]
    public void the_sample_resizes_for_photographs_too(Interpolation interpolation)
    {
        var run = Run(new ScoreThreshold("msp", 0.95, 0.4, 100), recipe, new ImageGeometry(interpolation, 256.0 / 224));
        Assert.That(InProcess.Run($"export {run} --format onnx").Code, Is.Zero);
        var (code, output, error) = Sample(Path.Combine(run, "model.onnx"), "--examples");
        Assert.That(code, Is.Zero, output + error);
        var largest = double.Parse(output.Split("largest difference of a score ")[1].Split(',')[0]);
        Assert.That(largest, Is.LessThan(1e-5), "the same bytes");
    }

    [Test]
    [Platform("Linux")]
    public void the_sample_says_what_it_needs_and_which_file_is_no_image()
    {
        var run = Run(new ScoreThreshold("msp", 0.95, 0.4, 100));
        Assert.That(InProcess.Run($"export {run} --format onnx").Code, Is.Zero);
        Assert.That(Sample(), Is.EqualTo((2, "", "Usage: OnnxInference MODEL IMAGE... or OnnxInference MODEL --examples\n")));
        var text = folder.Write("text.png", "no image");
        Assert.That(Sample(Path.Combine(run, "model.onnx"), text), Is.EqualTo((1, "", $"{text} is no image.\n")));
    }

    [Test]
    [Platform("Linux")]
    public void a_file_that_exists_is_written_over_only_on_request()
    {
        var run = Run(new ScoreThreshold("msp", 0.95, 0.4, 100));
        Assert.That(InProcess.Run($"export {run} --format safetensors").Code, Is.Zero);
        var (code, _, error) = InProcess.Run($"export {run} --format safetensors");
        Assert.That((code, error.Trim()), Is.EqualTo((2, $"{Path.Combine(run, "model.safetensors")} exists already; choose another --out, or write over it with --force.")));
        Assert.That(InProcess.Run($"export {run} --format safetensors --force").Code, Is.Zero);
    }

    private static GraphProto Graph(string run) => ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(run, "model.onnx"))).Graph;

    private static (int Code, string Output, string Error) Sample(params string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "OnnxInference"), arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    private string Run(ScoreThreshold? calibration) => Run(calibration, recipe);

    private string Run(ScoreThreshold? calibration, Recipe recipe, ImageGeometry? geometry = null) => DeployedRun.OfItsImages(folder, recipe, calibration, geometry);

    [GeneratedRegex(@": (?<class>.+) \([\d.]+ ?%\), score (?<score>[\d.]+), (accepted|rejected)$")]
    private static partial Regex SampleLine();
}
