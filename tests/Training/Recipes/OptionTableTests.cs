using Pascl.Tests.Training.Cli;
using Pascl.Training;
using Pascl.Training.Devices;
using Pascl.Training.Losses;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;

namespace Pascl.Tests.Training.Recipes;

public sealed class OptionTableTests
{
    private const string WritesPage = "PASCL_WRITE_DOCS";

    // What a recipe has and nobody chooses by an option, and why.
    private static readonly string[] withoutRow =
    [
        "format", // of the file
        "preset", // where the recipe came from: --preset
        "backbone.sha256", // of the file, when it is first read
        "backbone.imageSize",
        "data.excludedSets", // found in the folder of --data
        "representation.optimiser.nesterov", // of a method's authors
        "representation.schedule.everyStep",
        "representation.schedule.finalFactor",
        "representation.schedule.factor", // PyTorch's defaults, for recipe.json alone
        "representation.schedule.warmUpSteps",
        "representation.optimiser.beta1",
        "representation.optimiser.beta2",
        "representation.optimiser.epsilon",
        "auxiliaryBranch.optimiser.nesterov",
        "auxiliaryBranch.optimiser.beta1",
        "auxiliaryBranch.optimiser.beta2",
        "auxiliaryBranch.optimiser.epsilon",
        "auxiliaryBranch.schedule.factor",
        "auxiliaryBranch.schedule.finalFactor",
        "auxiliaryBranch.schedule.warmUpEpochs",
        "auxiliaryBranch.schedule.warmUpSteps",
        "auxiliaryBranch.schedule.everyStep",
    ];

    [Test]
    public void every_value_of_a_recipe_has_one_row_or_a_reason_to_have_none()
    {
        var rows = OptionTable.All.Select(option => option.Path).Where(path => path.Length > 0);
        Assert.That(rows.Concat(withoutRow), Is.EquivalentTo(Values(Presets.Custom).Keys));
    }

    [Test]
    public void names_are_kebab_case_and_no_two_options_share_one()
    {
        var names = OptionTable.All.Select(option => option.Name).OfType<string>().ToArray();
        Assert.That(names, Is.Unique.And.All.Match("^--[a-z]+(-[a-z]+)*$"));
        Assert.That(OptionTable.All.Where(option => option.Words is not null).SelectMany(option => option.Words!()), Is.All.Match("^[a-z0-9]+(-[a-z0-9]+)*$"));
    }

    [Test]
    public void an_option_changes_the_value_that_it_names_and_no_other()
    {
        // Those that set two values, and the method, which brings what its source does otherwise.
        var further = new Dictionary<string, string[]>
        {
            ["representation.optimiser.weightDecay"] = ["auxiliaryBranch.optimiser.weightDecay"],
            ["baselines.berl.marginExponent"] = ["baselines.berl.weightExponent"],
            ["method"] = ["auxiliaryBranch.epochs", "views"],
            ["backbone.path"] = ["network"],
            [""] = ["network"],
        };
        Assert.Multiple(() =>
        {
            foreach (var option in OptionTable.All)
            {
                string[] own = option.Path.Length == 0 ? [] : [option.Path];
                Assert.That(option.Accept(new Changed()), Is.EquivalentTo(own.Concat(further.GetValueOrDefault(option.Path, []))), option.Name ?? option.Path);
            }
        });
    }

    [Test]
    public void every_range_holds_for_every_preset_and_has_its_name_in_the_refusal()
    {
        foreach (var preset in Presets.All)
        {
            preset.Recipe.Validate();
        }

        var recipe = Presets.Custom with { Loss = new LossRecipe { Temperature = 0 } };
        Assert.That(recipe.Validate, Throws.TypeOf<InputException>().With.Message.EqualTo("The temperature is 0; it must be a finite number above 0."));
        recipe = Presets.Custom with { Finetuned = TrainableParameters.All };
        Assert.That(
            recipe.Validate,
            Throws.TypeOf<InputException>().With.Message.EqualTo("What the second phase trains is all; it must be part of the auxiliary branch."));
    }

    [Test]
    public void the_names_of_values_are_those_of_the_recipe_file()
    {
        var recipe = Presets.Custom with { Precision = Precision.BFloat16 };
        var written = Values(recipe);
        using (Assert.EnterMultipleScope())
        {
            foreach (var option in OptionTable.All.Where(option => option.Words is not null && option.Text(recipe).Length > 0))
            {
                Assert.That(option.Text(recipe), Is.EqualTo(written[option.Path]), option.Name);
            }
        }
    }

    [Test]
    public void docs_options_md_is_what_the_rows_say()
    {
        var path = Path.Combine(Repository.Root, "docs", "options.md");
        if (Environment.GetEnvironmentVariable(WritesPage) == "1")
        {
            File.WriteAllText(path, OptionsPage.Text());
        }

        Assert.That(
            File.Exists(path) ? File.ReadAllText(path) : "", Is.EqualTo(OptionsPage.Text()),
            $"{path} is out of date; run {WritesPage}=1 dotnet test -c Release --filter \"FullyQualifiedName~{nameof(OptionTableTests)}\" to update it.");
    }

    [Test]
    public void a_method_from_elsewhere_brings_its_options()
    {
        var method = new FocalMethod("focal", "--focal-gamma");
        MethodDefinition.Register(method);
        try
        {
            using (Assert.EnterMultipleScope())
            {
                Assert.That(MethodOptionsTests.Read("--preset quickstart --method focal --focal-gamma 2").Loss.Temperature, Is.EqualTo(2));
                Refused("--preset quickstart --method focal --focal-gamma 9", "The gamma is 9; it must be at most 5.");
                Refused("--preset quickstart --focal-gamma 2", "--focal-gamma belongs to --method focal, but the method is pascl.");
                Refused("--preset quickstart --method focal --contrastive-weight 2", "--contrastive-weight belongs to --method pascl, but the method is focal.");
                Assert.That(MethodOptionsTests.Read("--preset quickstart --method focal --outlier-weight 2").Loss.OutlierWeight, Is.EqualTo(2));
                Assert.That(() => MethodDefinition.Register(new FocalMethod("other", "--seed")), Throws.ArgumentException.With.Message.Contains("an option --seed"));
            }
        }
        finally
        {
            MethodDefinition.Withdraw(method);
        }

        static void Refused(string options, string sentence) =>
            Assert.That(() => MethodOptionsTests.Read(options), Throws.TypeOf<InputException>().With.Message.EqualTo(sentence));
    }

    private static SortedDictionary<string, string> Values(Recipe recipe) => RecipeValues.Of(RecipeFile.Write(recipe));

    /// <summary>The places in recipe.json that another value of an option changes.</summary>
    private sealed class Changed : IRecipeOptionVisitor<IEnumerable<string>>
    {
        private static readonly object[] candidates =
            [0.25, 0.75, 1, 3, true, false, "cocl", "resnet34", 34, "/elsewhere", new[] { 3 }, new[] { 1.0, 2, 3 }, new[] { new NamedPath("other", "/other") }];

        public IEnumerable<string> Visit<T>(RecipeOption<T> option)
        {
            var before = Values(Presets.Custom);
            foreach (var value in Candidates<T>().Where(value => option.Within?.Contains(value) != false))
            {
                var after = Set(option, value);
                var changed = before.Keys.Where(path => after is not null && before[path] != after[path]).ToArray();
                if (changed.Length > 0)
                {
                    return changed;
                }
            }

            return [];
        }

        private static IEnumerable<T> Candidates<T>() =>
            RecipeNames.Enumeration(typeof(T)) is { } type ? RecipeNames.All(type).Cast<object>().Cast<T>() : candidates.OfType<T>();

        // A name that there is not is no other value.
        private static SortedDictionary<string, string>? Set<T>(RecipeOption<T> option, T value)
        {
            try
            {
                return Values(option.Set(Presets.Custom, value));
            }
            catch (InputException)
            {
                return null;
            }
        }
    }

    private sealed class FocalMethod(string name, string option) : MethodDefinition(name)
    {
        public override IReadOnlyList<RecipeOption> Options { get; } =
        [
            OptionTable.OutlierWeight,
            RecipeParts.Loss.Option(
                option, "exponent of the loss", loss => loss.Temperature, (loss, value) => loss with { Temperature = value },
                "The gamma", new OptionRange<double>(value => value <= 5, "at most 5")),
        ];

        public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchNetwork model) => new LogitObjective(device);
    }
}
