using System.CommandLine;
using Pascl.Training;
using Pascl.Training.Cli;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Optimisation;
using Pascl.Training.Recipes;

namespace Pascl.Tests.Training.Cli;

/// <summary>What <c>--method</c> and its options make of a recipe.</summary>
public sealed class MethodOptionsTests
{
    [Test]
    public void every_method_has_a_name_that_finds_it()
    {
        foreach (var method in MethodDefinition.All)
        {
            Assert.That(MethodDefinition.Find(method.Name), Is.SameAs(method));
        }
    }

    [TestCase("--method energy-oe --energy-margin -10 --energy-outlier-margin -3 --energy-weight 0.2 --energy-warm-up 0.25")]
    [TestCase("--method cocl --cocl-outlier-weight 0.1 --cocl-tail-weight 0 --cocl-head-weight 0.2 --cocl-temperature 0.1 --cocl-calibration 0")]
    [TestCase("--method cocl --cocl-next-head-class true --finetune-epochs 2")]
    [TestCase("--method eat --eat-heads 2 --eat-columns 5 --eat-mixed-weight 1 --eat-outlier-weight 2 --eat-abstention-count 0")]
    [TestCase("--method rna --rna-weight 1 --rna-adjustment 0.5")]
    [TestCase("--method tscl --tscl-outlier-weight 0.5 --tscl-contrastive-weight 0 --tscl-temperature 0.2 --tscl-tail-fraction 0.4 --ema-decay 0.99")]
    [TestCase("--method patt --patt-temperature 0.2 --patt-logit-temperature 0.7 --patt-logit-weight 0.1 --patt-outlier-weight 0.5 --patt-raw-features true --patt-calibration false")]
    [TestCase("--method berl --from start --berl-gamma 0.5 --berl-lambda 3 --berl-detach true --energy-weight 0.3")]
    public void options_change_the_recipe_and_its_file_repeats_them(string options)
    {
        var recipe = Read("--preset quickstart " + options);
        var written = RecipeFile.Write(recipe);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(RecipeFile.Write(RecipeFile.Parse(written, "recipe.json")), Is.EqualTo(written));
            Assert.That(recipe.Baselines, Is.Not.EqualTo(new BaselinesRecipe()));
        }
    }

    [Test]
    public void each_option_reaches_its_own_value()
    {
        var energy = Read("--preset quickstart --method energy-oe --energy-margin -10 --energy-outlier-margin -3 --energy-weight 0.2 --energy-warm-up 0.25");
        var berl = Read("--preset quickstart --from start --method berl --berl-gamma 0.5 --berl-lambda 3 --berl-detach true");
        var eat = Read("--preset quickstart --method eat --eat-heads 2 --eat-columns 5 --eat-mixed-weight 1 --eat-outlier-weight 2 --eat-abstention-count 7");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(energy.Baselines.Energy, Is.EqualTo(new EnergyRecipe { InDistributionMargin = -10, OutlierMargin = -3, Weight = 0.2, WarmUp = 0.25 }));
            Assert.That(berl.Baselines.Berl, Is.EqualTo(new BerlRecipe { MarginExponent = 0.5, WeightExponent = 0.5, MarginSlope = 3, DetachesPrior = true }));
            Assert.That(eat.Baselines.Eat, Is.EqualTo(new EatRecipe { Heads = 2, AbstentionColumns = 5, MixedWeight = 1, OutlierWeight = 2, AbstentionCount = 7 }));
        }
    }

    [Test]
    public void from_a_run_the_energy_methods_take_the_finetuning_of_their_authors()
    {
        var recipe = Read("--preset cifar10-lt-cpu --id photos --from start --method energy-oe");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(recipe.Representation.Optimiser, Is.EqualTo(new OptimiserSettings(OptimiserKind.Sgd, 1e-3, 5e-4, 0.9, Nesterov: true)));
            Assert.That((recipe.Representation.Epochs, recipe.Representation.BatchSize, recipe.OutlierBatchSize), Is.EqualTo((10, 128, 256)));
            Assert.That(recipe.Representation.LearningRate(finishedSteps: 969, stepsPerEpoch: 97), Is.EqualTo(1e-6).Within(1e-8));
            Assert.That((recipe.Views, recipe.ChangesColours, recipe.Baselines.Energy.WarmUp, recipe.AuxiliaryBranch.Epochs), Is.EqualTo((1, false, 0.0, 0)));
        }
    }

    [Test]
    public void from_initial_weights_the_schedule_of_the_preset_stays_and_the_weight_warms_up()
    {
        var (recipe, preset) = (Read("--preset cifar10-lt-cpu --id photos --method energy-oe"), Presets.Find("cifar10-lt-cpu").Recipe);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(recipe.Representation, Is.EqualTo(preset.Representation));
            Assert.That((recipe.Views, recipe.ChangesColours, recipe.Baselines.Energy.WarmUp, recipe.AuxiliaryBranch.Epochs), Is.EqualTo((2, true, 0.5, 0)));
        }
    }

    [TestCase("cifar10-lt-cpu", -23, 10, 3)]
    [TestCase("cifar100-lt-paper", -27, 100, 30)]
    public void constants_that_depend_on_the_data_come_with_the_preset(string preset, double margin, double slope, int columns)
    {
        var baselines = Presets.Find(preset).Recipe.Baselines;
        Assert.That((baselines.Energy.InDistributionMargin, baselines.Berl.MarginSlope, baselines.Eat.AbstentionColumns), Is.EqualTo((margin, slope, columns)));
    }

    [Test]
    public void the_second_phase_of_eat_trains_its_heads_and_that_of_cocl_has_no_epochs()
    {
        var (eat, cocl) = (Read("--preset quickstart --method eat"), Read("--preset quickstart --method cocl"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That((eat.Finetuned, eat.AuxiliaryBranch.Epochs, eat.Views), Is.EqualTo((TrainableParameters.Classifier, 10, 2)));
            Assert.That((cocl.AuxiliaryBranch.Epochs, cocl.Views), Is.EqualTo((0, 1)));
            Assert.That(MethodDefinition.Find(Method.Cocl).Head(cocl, 10), Has.Property("Columns").EqualTo(11).And.Property("Prototypes").EqualTo(4));
            Assert.That(MethodDefinition.Find(Method.Cocl).Head(cocl, 100), Has.Property("Columns").EqualTo(101).And.Property("Prototypes").EqualTo(40));
            Assert.That(MethodDefinition.Find(Method.Eat).Head(eat, 10).Columns, Is.EqualTo(3 * 13));
        }
    }

    [TestCase("--method berl", "--from RUN")]
    [TestCase("--method oe --berl-lambda 1", "--berl-lambda belongs to --method berl, but the method is oe.")]
    [TestCase("--energy-weight 1", "--method energy-oe or berl, but the method is pascl")]
    [TestCase("--method energy-oe --energy-warm-up 2", "warm-up of the energy hinges is 2", "from 0 to 1")]
    [TestCase("--method energy-oe --energy-margin NaN", "margin of the training images is NaN", "finite")]
    [TestCase("--method energy-oe --energy-weight -1", "weight of the energy hinges is -1")]
    [TestCase("--method berl --from start --berl-gamma -1", "gamma of the margin is -1")]
    [TestCase("--method cocl --cocl-temperature 0", "temperature is 0", "above 0")]
    [TestCase("--method cocl --cocl-calibration Infinity", "calibration")]
    [TestCase("--method eat --views 1", "number of views is 1", "2 for eat")]
    [TestCase("--method pascl --views 1", "2 for pascl")]
    [TestCase("--views 3", "number of views is 3", "2 for pascl")]
    [TestCase("--method ce --views 4", "number of views is 4", "1, 2 or 3")]
    [TestCase("--method patt --views 2", "number of views is 2", "3 for patt")]
    [TestCase("--method patt --patt-temperature 0", "temperature of the features is 0", "above 0")]
    [TestCase("--method patt --temperature 0.1", "--temperature belongs to --method pascl, but the method is patt.")]
    [TestCase("--patt-calibration false", "--patt-calibration belongs to --method patt, but the method is pascl.")]
    [TestCase("--method cocl --outliers none", "for --method pascl, but the method is cocl", "--outliers PATH")]
    [TestCase("--method ce --outliers none", "the method is ce: it sees no outliers")]
    [TestCase("--mixed-least-share 0.2", "--mixed-least-share belongs to --outliers none", "the outliers are images")]
    [TestCase("--virtual-outliers both", "--virtual-outliers belongs to --outliers none", "the outliers are images")]
    [TestCase("--outliers none --annulus-near 1", "--annulus-near belongs to --virtual-outliers annulus or both", "mixed images")]
    [TestCase("--outliers none --virtual-outliers annulus --mixed-least-share 0.2", "--mixed-least-share belongs to", "there are none")]
    [TestCase("--outliers none --virtual-outliers annulus --annulus-near 4", "far edge of the annulus is 4", "above the near edge, 4")]
    [TestCase("--outliers none --mixed-least-share 0.7", "least share of a mixed image is 0.7", "at most 0.5")]
    [TestCase("--outliers none --max-outliers 4", "--max-outliers belongs to a method that sees outliers, but --outliers none reads none.")]
    [TestCase("--outliers none --outlier-batch 0", "outlier batch size is 0", "at least 1")]
    [TestCase("--outliers none --views 1", "2 for pascl")]
    [TestCase("--method eat --eat-columns 0", "abstention columns is 0")]
    [TestCase("--method eat --eat-heads 0", "heads is 0")]
    [TestCase("--rna-weight 1", "--rna-weight belongs to --method rna, but the method is pascl.")]
    [TestCase("--method rna --rna-adjustment -1", "RNA's logit adjustment is -1")]
    [TestCase("--method rna --outlier-weight 1", "but the method is rna")]
    [TestCase("--method tscl --views 1", "number of views is 1", "2 for tscl")]
    [TestCase("--method tscl --tscl-tail-fraction 0", "tail fraction is 0", "above 0 and at most 1")]
    [TestCase("--method cocl --tscl-temperature 1", "--tscl-temperature belongs to --method tscl, but the method is cocl.")]
    [TestCase("--label-smoothing 1", "label smoothing is 1", "at least 0 and below 1")]
    [TestCase("--method cocl --label-smoothing 0.1", "--label-smoothing belongs to --method ce or oe or pascl or energy-oe or berl, but the method is cocl.")]
    [TestCase("--ema-decay 1", "decay of the average of the weights is 1", "between 0 and 1")]
    [TestCase("--ema-decay 0", "decay of the average of the weights is 0")]
    public void what_a_method_cannot_use_is_refused_with_a_sentence(string options, params string[] expected)
    {
        var refusal = Assert.Throws<InputException>(() => Read("--preset quickstart " + options))!;
        foreach (var part in expected)
        {
            Assert.That(refusal.Message, Does.Contain(part));
        }
    }

    [Test]
    public void without_outliers_is_said_by_a_word_and_taken_back_by_a_path()
    {
        var none = Read("--preset cifar10-lt-cpu --id photos --outliers none --virtual-outliers both");
        var read = VirtualOutlierRecipe.Choose(none, "elsewhere");
        using (Assert.EnterMultipleScope())
        {
            Assert.That((none.Data.Outliers, none.UsesOutliers, none.ReadsOutliers), Is.EqualTo(((string?)null, true, false)));
            Assert.That(none.VirtualOutliers, Is.EqualTo(new VirtualOutlierRecipe { InUse = true, Kind = VirtualOutlierKind.Both }));
            Assert.That((read.Data.Outliers, read.ReadsOutliers), Is.EqualTo(("elsewhere", true)));
            Assert.That(RecipeFile.Parse(RecipeFile.Write(none), "recipe.json").VirtualOutliers, Is.EqualTo(none.VirtualOutliers));
            Assert.That(Presets.All.Select(preset => preset.Recipe.VirtualOutliers.InUse), Is.All.False);
            Assert.That(Read("--preset cifar10-lt-cpu --id photos --outliers ./none").VirtualOutliers.InUse, Is.False, "a folder of that name");
        }
    }

    internal static Recipe Read(string options)
    {
        var source = new RecipeSource();
        var command = new Command("train");
        source.AddTo(command);
        return source.Read(command.Parse(options));
    }
}
