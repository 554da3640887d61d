using System.Text.RegularExpressions;

namespace Pascl.Tests.Training;

/// <summary>
/// The chapters of <c>src/Training</c> and the arrows between them, as docs/architecture.md draws them: a chapter uses those that are named for it, and no others.
/// </summary>
public sealed partial class ArchitectureTests
{
    // From the bottom to the top. Recipes and Methods are one chapter in two folders: a recipe holds the constants of the methods, and a method reads its recipe.
    private static readonly Dictionary<string, string[]> arrows = new()
    {
        ["Ranks"] = [],
        ["Devices"] = ["Ranks"],
        ["Pickling"] = [],
        ["Interop"] = ["Devices"],
        ["Optimisation"] = ["Interop", "Ranks"],
        ["Profiling"] = [],
        ["Data"] = ["Devices", "Interop", "Pickling", "Ranks"],
        ["Backbones"] = ["Data"],
        ["Networks"] = ["Backbones", "Data", "Devices", "Interop", "Ranks"],
        ["Losses"] = ["Data", "Devices", "Interop", "Networks", "Profiling", "Ranks"],
        ["Recipes"] = ["Backbones", "Data", "Devices", "Methods", "Networks", "Optimisation"],
        ["Methods"] = ["Data", "Devices", "Evaluation", "Interop", "Losses", "Networks", "Optimisation", "Profiling", "Recipes"],
        ["Checkpoints"] = ["Data", "Devices", "Networks", "Optimisation", "Pickling"],
        ["Evaluation"] = ["Data", "Devices", "Networks", "Ranks"],
        ["Deployment"] = ["Backbones", "Checkpoints", "Data", "Evaluation", "Methods", "Networks", "Recipes"],
        ["Intake"] = ["Backbones", "Checkpoints", "Data", "Evaluation", "Networks", "Recipes"],
        ["Reporting"] = ["Checkpoints", "Data", "Devices", "Evaluation", "Networks", "Profiling", "Recipes"],
        ["Golden"] = ["Data", "Devices", "Evaluation", "Interop", "Losses", "Methods", "Networks", "Optimisation", "Recipes"],
    };

    // What lies in the folder itself: the spine may use every chapter but the commands, and these chapters may not use the spine.
    private static readonly string[] belowTheSpine =
        ["Ranks", "Devices", "Pickling", "Interop", "Optimisation", "Profiling", "Data", "Backbones", "Networks", "Losses", "Recipes", "Methods", "Checkpoints", "Evaluation"];

    private static readonly string[] spine =
        ["BestEpoch", "RankAgreement", "RunFolder", "StartingWeights", "Trainer", "TrainingDataReader", "TrainingPhase", "TrainingSteps", "RunHistory", "RunPosition"];

    private static string Root => Path.Combine(Repository.Root, "src", "Training");

    [Test]
    public void a_chapter_uses_the_chapters_that_are_drawn_for_it_and_no_others()
    {
        var found = Chapters().Where(chapter => chapter != "Cli").SelectMany(chapter => Files(chapter).SelectMany(file =>
            Usings().Matches(File.ReadAllText(file)).Select(match => match.Groups[1].Value)
                .Where(used => used != chapter && !arrows.GetValueOrDefault(chapter, []).Contains(used))
                .Select(used => $"{chapter} -> {used} in {Path.GetFileName(file)}")));
        Assert.That(found, Is.Empty);
    }

    [Test]
    public void no_chapter_is_reached_from_itself()
    {
        foreach (var chapter in arrows.Keys.Except(["Recipes", "Methods"]))
        {
            var reached = new HashSet<string>();
            var open = new Stack<string>(arrows[chapter]);
            while (open.TryPop(out var next))
            {
                if (reached.Add(next))
                {
                    Array.ForEach(arrows[next], open.Push);
                }
            }

            Assert.That(reached, Has.None.EqualTo(chapter));
        }
    }

    [Test]
    public void a_chapter_below_the_spine_names_nothing_of_it()
    {
        var found = belowTheSpine.SelectMany(chapter => Files(chapter).SelectMany(file =>
            File.ReadLines(file).Where(line => !line.TrimStart().StartsWith("//", StringComparison.Ordinal)).SelectMany(line =>
                Words().Matches(line).Select(word => word.Value).Where(spine.Contains).Select(word => $"{word} in {Path.GetFileName(file)}"))));
        Assert.That(found, Is.Empty);
    }

    [Test]
    public void only_networks_and_what_imports_their_files_name_a_resnet()
    {
        var found = Directory.EnumerateFiles(Root, "*.cs", SearchOption.AllDirectories)
            .Where(file => !IsBuilt(file) && !file.Contains("/Networks/", StringComparison.Ordinal))
            .Where(file => File.ReadLines(file).Any(line =>
                line.Contains("ResNet", StringComparison.Ordinal) && !line.TrimStart().StartsWith("//", StringComparison.Ordinal)))
            .Select(Path.GetFileName);
        Assert.That(found, Is.SubsetOf(["DoctorCommand.cs", "OptionTable.cs", "Presets.cs", "Recipe.cs"]), "doctor's own sizes, --depth, the default and the presets");
    }

    // One idea is one file, but a file stays readable. Kernels of both directions and the pickle of PyTorch are the longest.
    [Test]
    public void no_file_is_longer_than_a_reader_can_hold()
    {
        string[] projects = ["Training", "Kernels"];
        var found = projects.SelectMany(project => Directory.EnumerateFiles(Path.Combine(Repository.Root, "src", project), "*.cs", SearchOption.AllDirectories))
            .Where(file => !IsBuilt(file))
            .Select(file => (Name: Path.GetFileName(file), Lines: File.ReadLines(file).Count()))
            .Where(file => file.Lines > 380)
            .Select(file => $"{file.Name} {file.Lines}");
        Assert.That(found, Is.Empty);
    }

    private static IEnumerable<string> Chapters() => Directory.EnumerateDirectories(Root).Select(folder => Path.GetFileName(folder)!).Except(["bin", "obj"]);

    private static IEnumerable<string> Files(string chapter) =>
        Directory.EnumerateFiles(Path.Combine(Root, chapter), "*.cs", SearchOption.AllDirectories);

    private static bool IsBuilt(string file) => file.Contains("/obj/", StringComparison.Ordinal) || file.Contains("/bin/", StringComparison.Ordinal);

    [GeneratedRegex(@"^using (?:static )?(?:\w+ = )?Pascl\.Training\.(\w+)", RegexOptions.Multiline)]
    private static partial Regex Usings();

    [GeneratedRegex(@"\w+")]
    private static partial Regex Words();
}
