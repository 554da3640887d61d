using System.CommandLine;
using System.Text.RegularExpressions;
using Pascl.Training;
using Pascl.Training.Cli;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Networks;
using Pascl.Training.Optimisation;
using Pascl.Training.Recipes;

namespace Pascl.Tests.Training.Cli;

/// <summary>What the options of a recipe take, and when they are refused.</summary>
public sealed partial class RecipeOptionsTests
{
    [TestCase("--momentum 0.8", "--momentum belongs to --optimiser sgd, but the optimiser is adam.")]
    [TestCase("--milestones 3 6", "--milestones belongs to --schedule multi-step, but the schedule is cosine.")]
    [TestCase("--method ce --temperature 0.1", "--temperature belongs to --method pascl, but the method is ce.")]
    [TestCase("--method oe --contrastive-weight 0.1", "--contrastive-weight belongs to --method pascl, but the method is oe.")]
    [TestCase("--method cocl --outlier-weight 0.1", "--outlier-weight belongs to --method oe or pascl, but the method is cocl.")]
    [TestCase("--imbalance-ratio 0.1", "--imbalance-ratio belongs to --profile, but the recipe has none.")]
    [TestCase("--method ce --outlier-batch 8", "--outlier-batch belongs to a method that sees outliers, but the method is ce.")]
    [TestCase("--method ce --outliers web", "--outliers belongs to images of --id and a method that sees outliers, but the method is ce.")]
    [TestCase("--outliers web", "--outliers belongs to images of --id and a method that sees outliers, but the images are the built-in ones, which have outliers of their own.")]
    [TestCase("--method ce --max-outliers 8", "--max-outliers belongs to a method that sees outliers, but the method is ce.")]
    [TestCase("--network resnet50 --depth 34", "--network and --depth both name the network; give one of them.")]
    [TestCase("--eat-heads 2", "--eat-heads belongs to --method eat, but the method is pascl.")]
    public void an_option_that_the_recipe_does_not_use_is_refused(string options, string sentence) =>
        Assert.That(() => MethodOptionsTests.Read("--preset quickstart " + options), Throws.TypeOf<InputException>().With.Message.EqualTo(sentence));

    [TestCase("--preset photos", "The preset photos needs its images: --data FOLDER, or --id, --outliers and --ood by themselves.")]
    [TestCase("--preset photos --data .", "The preset photos takes your own images, whatever . holds: name them with --id, --outliers and --ood.")]
    [TestCase(
        "--preset photos --id photos",
        "The preset photos starts from a backbone that was trained elsewhere: name its weights with --weights FILE, or a model with --backbone MODEL.onnx.")]
    [TestCase("--preset photos --id photos --backbone m.onnx --backbone-rate 0.5", "--backbone-rate belongs to a network of --network, but the backbone of --backbone is frozen.")]
    [TestCase("--preset photos --id photos --backbone m.onnx --train classifier", "--train belongs to a network of --network, but the backbone of --backbone is frozen.")]
    [TestCase("--preset quickstart --weights-key ema", "--weights-key belongs to --weights, but the recipe has none.")]
    [TestCase("--preset quickstart --finetune-milestones 2", "--finetune-milestones belongs to --finetune-schedule multi-step, but the schedule of the second phase is cosine.")]
    [TestCase("--preset quickstart --train batch-norm", "What the first phase trains is batch-norm; it must be all or a part with the classifier.")]
    public void a_preset_without_what_it_needs_and_options_without_their_use_are_refused(string options, string sentence) =>
        Assert.That(() => MethodOptionsTests.Read(options), Throws.TypeOf<InputException>().With.Message.EqualTo(sentence));

    [Test]
    public void a_frozen_backbone_has_no_slower_rate() => Assert.That(
        MethodOptionsTests.Read("--preset photos --id photos --outliers web --backbone m.onnx"),
        Has.Property(nameof(Recipe.BackboneRate)).EqualTo(1).And.Property(nameof(Recipe.Network)).EqualTo("frozen-backbone"));

    [TestCase("--momentum 0.8 --optimiser sgd")]
    [TestCase("--milestones 3 6 --schedule multi-step")]
    [TestCase("--imbalance-ratio 0.1 --profile step")]
    [TestCase("--outlier-weight 0.1 --method oe")]
    [TestCase("--momentum 0.8 --method energy-oe --from start")]
    public void the_order_of_options_does_not_matter(string options) =>
        Assert.That(() => MethodOptionsTests.Read("--preset quickstart " + options), Throws.Nothing);

    [Test]
    public void what_a_recipe_file_has_and_does_not_use_is_left_alone()
    {
        using var folder = new TemporaryFolder();
        var recipe = Presets.Find("quickstart").Recipe;
        var optimiser = recipe.Representation.Optimiser with { Momentum = 0.5 };
        var path = folder.Write(
            "recipe.json", RecipeFile.Write(recipe with { Method = "ce", Representation = recipe.Representation with { Optimiser = optimiser } }));
        Assert.That(MethodOptionsTests.Read($"--recipe {path} --seed 3").Representation.Optimiser.Momentum, Is.EqualTo(0.5));
    }

    [TestCase("fewest-images", "batch-norm-and-classifier", "multi-step", "bf16")]
    [TestCase("FewestImages", "BatchNormAndClassifier", "multiStep", "bfloat16")]
    [TestCase("fewestimages", "batchnormandclassifier", "MultiStep", "BFloat16")]
    public void values_are_named_in_kebab_case_and_by_their_former_names(string rule, string trained, string schedule, string precision)
    {
        var recipe = MethodOptionsTests.Read(
            $"--preset quickstart --tail-rule {rule} --finetune {trained} --schedule {schedule} --milestones 3 6 --precision {precision}");
        var decay = recipe.Representation.Schedule;
        Assert.That(
            (recipe.Loss.TailRule, recipe.Finetuned, decay.Decay, recipe.Precision),
            Is.EqualTo((TailRule.FewestImages, TrainableParameters.BatchNormAndClassifier, LearningRateDecay.MultiStep, Precision.BFloat16)));
        Assert.That(decay.Milestones, Is.EqualTo((int[])[3, 6]));
    }

    [TestCase("fp32", Precision.Float32)]
    [TestCase("float32", Precision.Float32)]
    [TestCase("auto", Precision.Auto)]
    public void the_precision_has_a_short_name(string name, Precision precision) =>
        Assert.That(MethodOptionsTests.Read($"--preset quickstart --precision {name}").Precision, Is.EqualTo(precision));

    [TestCase("--precision int8", "--precision takes one of auto, float32, bf16, not 'int8'.")]
    [TestCase("--finetune main-branches", "--finetune takes one of batch-norm-and-classifier, batch-norm, classifier, not 'main-branches'.")]
    [TestCase("--schedule 2", "--schedule takes one of constant, cosine, multi-step, not '2'.")]
    [TestCase("--image-size big", "--image-size takes a whole number, not 'big'.")]
    [TestCase("--temperature hot", "--temperature takes a number, not 'hot'.")]
    public void a_value_that_cannot_be_read_is_refused_with_those_that_can(string options, string sentence)
    {
        using var error = new StringWriter();
        UsageError.Report(PasclCommand.Create().Parse("train --preset quickstart " + options), error);
        Assert.That(error.ToString(), Does.StartWith(sentence));
    }

    [Test]
    public void help_has_every_option_with_its_words_and_who_uses_it()
    {
        using var output = new StringWriter();
        PasclCommand.Create().Parse("train --help").Invoke(new InvocationConfiguration { Output = output });
        var help = string.Join(' ', output.ToString().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        Assert.Multiple(() =>
        {
            foreach (var option in OptionTable.All.Where(option => option.Name is not null))
            {
                Assert.That(help, Does.Contain($" {option.Name} ").And.Contain(option.Help));
            }

            Assert.That(help, Does.Contain("<fewest-images|highest-index>").And.Contain("<batch-norm-and-classifier|batch-norm|classifier>"));
            Assert.That(help, Does.Contain("<constant|cosine|multi-step>").And.Contain("<auto|float32|bf16>").And.Contain("<ce|oe|pascl|"));
            Assert.That(help, Does.Contain("temperature of the contrastive loss; with --method pascl").And.Contain("; with --optimiser sgd"));
            Assert.That(help, Does.Not.Contain("FewestImages").And.Not.Contain("BFloat16").And.Not.Contain("multiStep"));
        });
    }

    [Test]
    public void no_command_in_the_documentation_is_refused()
    {
        string[] pages = [.. Directory.GetFiles(Repository.Root, "*.md"), .. Directory.GetFiles(Path.Combine(Repository.Root, "docs"), "*.md")];
        string[] lines = [.. pages.SelectMany(File.ReadLines), .. PasclCommand.Create().Subcommands.SelectMany(Examples.Of).Select(line => "pascl " + line)];
        var commands = lines.Select(line => DocumentedCommand().Match(line)).Where(match => match.Success).Select(match => match.Groups["options"].Value)
            .Where(options => !options.Contains("--resume", StringComparison.Ordinal) && !options.Contains("--recipe", StringComparison.Ordinal))
            .SelectMany(Alternatives).ToArray();
        Assert.That(commands, Has.Length.GreaterThan(15));
        Assert.Multiple(() =>
        {
            foreach (var command in commands)
            {
                Assert.That(() => MethodOptionsTests.Read(command.Replace("--data DATA", "--id photos", StringComparison.Ordinal)), Throws.Nothing, command);
            }
        });
    }

    // A line of a page may name several commands: --method ce|oe|pascl.
    private static IEnumerable<string> Alternatives(string options)
    {
        var several = options.Split(' ').FirstOrDefault(word => word.Contains('|', StringComparison.Ordinal));
        return several is null ? [options] : several.Split('|').SelectMany(one => Alternatives(options.Replace(several, one, StringComparison.Ordinal)));
    }

    [GeneratedRegex(@"(?:pascl|--|`|Pascl\.Training) (?:train|import \S+) (?<options>--(?:preset|id)[^#`]*[^#`\s])")]
    private static partial Regex DocumentedCommand();
}
