using Pascl.Training;

namespace Pascl.Tests.Training;

public sealed class RunFolderTests
{
    private static readonly DateTime noon = new(2026, 5, 7, 12, 0, 0);

    private string folder = "";
    private string before = "";

    [SetUp]
    public void EnterFolder()
    {
        folder = Directory.CreateTempSubdirectory("pascl-").FullName;
        before = Directory.GetCurrentDirectory();
        Directory.SetCurrentDirectory(folder);
    }

    [TearDown]
    public void LeaveFolder()
    {
        Directory.SetCurrentDirectory(before);
        Directory.Delete(folder, recursive: true);
    }

    [Test]
    public void runs_of_the_same_second_get_folders_of_their_own()
    {
        using var first = RunFolder.Create("cifar10-lt/cpu", time: noon);
        using var second = RunFolder.Create("cifar10-lt/cpu", time: noon);
        first.WriteRecipe("{}");
        first.Dispose();
        using var third = RunFolder.Create("cifar10-lt/cpu", time: noon);
        string[] roots = [.. new[] { first, second, third }.Select(run => Path.GetRelativePath(folder, run.Root))];
        const string Name = "runs/2026-05-07-120000-cifar10-lt-cpu";
        Assert.That(roots, Is.EqualTo([Name, Name + "-2", Name + "-3"]));
    }

    [Test]
    public void many_starts_at_once_never_share_a_folder()
    {
        var folders = new RunFolder[16];
        Parallel.For(0, folders.Length, i => folders[i] = RunFolder.Create("quick", time: noon));
        Assert.That(folders.Select(run => run.Root), Is.Unique);
        Array.ForEach(folders, run => run.Dispose());
    }

    [Test]
    public void an_empty_folder_can_be_chosen_and_is_left_without_a_lock()
    {
        Directory.CreateDirectory("mine");
        using (var run = RunFolder.Create("quick", "mine"))
        {
            run.WriteRecipe("""{"seed":1}""");
            Assert.That(run.Root, Is.EqualTo(Path.Combine(folder, "mine")));
        }

        Assert.That(Directory.GetFileSystemEntries("mine").Select(Path.GetFileName), Is.EqualTo(["recipe.json"]));
    }

    [Test]
    public void the_folder_of_another_run_is_not_touched()
    {
        using (var run = RunFolder.Create("quick", "mine"))
        {
            run.WriteRecipe("old");
        }

        Assert.Multiple(() =>
        {
            Assert.That(
                () => RunFolder.Create("quick", "mine"),
                Throws.TypeOf<InputException>()
                    .With.Message.EqualTo($"{folder}/mine already holds a run; choose another --out or continue it with --resume."));
            Assert.That(File.ReadAllText("mine/recipe.json"), Is.EqualTo("old"));
            Assert.That(Directory.GetFileSystemEntries("mine"), Has.Length.EqualTo(1));
        });
    }

    [Test]
    public void a_folder_with_other_files_and_a_file_are_refused()
    {
        Directory.CreateDirectory("photos");
        File.WriteAllText("photos/a.jpg", "");
        Assert.Multiple(() =>
        {
            Assert.That(
                () => RunFolder.Create("quick", "photos"),
                Throws.TypeOf<InputException>().With.Message.Contains("not an empty folder"));
            Assert.That(
                () => RunFolder.Create("quick", "photos/a.jpg"),
                Throws.TypeOf<InputException>().With.Message.Contains("a file of that name exists"));
            Assert.That(
                () => RunFolder.Create("quick", "photos/a.jpg/run"),
                Throws.TypeOf<InputException>().With.Message.Contains("could not be created"));
        });
    }

    [Test]
    [Platform("Linux")]
    public void a_place_that_cannot_be_written_is_named() =>
        Assert.That(
            () => RunFolder.Create("quick", "/proc/pascl"),
            Throws.TypeOf<InputException>().With.Message.StartsWith("/proc/pascl could not be created"));

    [Test]
    public void resuming_takes_the_folder_and_a_second_process_is_refused()
    {
        using (var run = RunFolder.Create("quick", "mine"))
        {
            File.WriteAllText(run.Checkpoint, "");
        }

        using (var resumed = RunFolder.Resume("mine"))
        {
            Assert.That(
                () => RunFolder.Resume("mine"),
                Throws.TypeOf<InputException>().With.Message.Contains("another process is training there"));
            Assert.That(RunFolder.Open("mine").Root, Is.EqualTo(resumed.Root), "reading needs no lock");
        }

        // What kill -9 leaves behind.
        File.WriteAllText("mine/.lock", "");
        using var again = RunFolder.Resume("mine");
        Assert.That(again.Checkpoint, Does.Exist);
    }

    [Test]
    public void a_folder_without_a_checkpoint_cannot_be_resumed()
    {
        Directory.CreateDirectory("empty");
        using (var run = RunFolder.Create("quick", "early"))
        {
            run.WriteRecipe("{}");
        }

        Assert.Multiple(() =>
        {
            Assert.That(() => RunFolder.Resume("missing"), Throws.TypeOf<InputException>().With.Message.Contains("missing does not exist"));
            Assert.That(() => RunFolder.Resume("empty"), Throws.TypeOf<InputException>().With.Message.Contains("not the folder of a run"));
            Assert.That(
                () => RunFolder.Open("early"),
                Throws.TypeOf<InputException>().With.Message.Contains("stopped before its first checkpoint"));
        });
    }

    [Test]
    public void a_run_that_stopped_before_its_first_checkpoint_can_begin_again()
    {
        using (var run = RunFolder.Create("quick", "early"))
        {
            run.WriteRecipe("{}");
        }

        using var again = RunFolder.Resume("early");
        Assert.That(again.IsBeforeFirstCheckpoint);
    }

    [Test]
    public void a_lock_that_a_killed_process_left_takes_no_folder()
    {
        Directory.CreateDirectory("killed");
        File.WriteAllText("killed/.lock", "");
        using var run = RunFolder.Create("quick", "killed");
        Assert.That(() => RunFolder.Create("quick", "killed"), Throws.TypeOf<InputException>().With.Message.Contains("another process begins a run there"));
    }

    [Test]
    public void a_file_in_the_place_of_a_run_names_its_folder()
    {
        using (var run = RunFolder.Create("quick", "mine"))
        {
            File.WriteAllText(run.Checkpoint, "");
        }

        Assert.That(
            () => RunFolder.Open("mine/checkpoint.safetensors"),
            Throws.TypeOf<InputException>().With.Message.EndsWith($"is a file; name the folder of a run, {Path.GetFullPath("mine")}."));
    }

    [Test]
    public void what_was_being_done_when_a_process_ended_without_a_word_is_said_with_what_to_do()
    {
        using var run = RunFolder.Create("quick", "mine");
        run.WriteRecipe("{}");
        using (run.Mark("the first step of its representation phase"))
        {
            Assert.That(run.AbruptEnd, Does.Contain(run.Root).And.Contain("the first step of its representation phase").And.Contain("doctor"));
            Assert.That(() => RunFolder.Create("quick", "mine"), Throws.TypeOf<InputException>().With.Message.Contains("already holds a run").And.Message.Contains("first step"));
            Assert.That(() => RunFolder.Open("mine"), Throws.TypeOf<InputException>().With.Message.Contains("begin it again").And.Message.Contains("first step"));
        }

        Assert.That(run.AbruptEnd, Is.Null);
    }

    [Test]
    public void a_new_run_learns_of_the_last_one_beside_it_that_ended_without_a_word_and_of_no_other()
    {
        using var marks = new DisposableMarks();
        var first = Start("first", minute: 1, marks: marks);
        first.Dispose();
        using var started = RunFolder.Create("quick", "runs/new");
        Assert.That(started.AbruptEndOfNeighbour(), Does.Contain(first.Root));

        var second = Start("second", minute: 2, marks: null);
        Assert.That(started.AbruptEndOfNeighbour(), Is.Null, "the last run before this one went well");
        second.Dispose();

        using var third = Start("third", minute: 3, marks: marks);
        Assert.That(started.AbruptEndOfNeighbour(), Is.Null, "a process is still training there");
    }

    // A run whose recipe was written in that minute; with marks, it is in its first step.
    private static RunFolder Start(string name, int minute, DisposableMarks? marks)
    {
        var run = RunFolder.Create("quick", $"runs/{name}");
        run.WriteRecipe("{}");
        File.SetLastWriteTime(run.Recipe, noon.AddMinutes(minute));
        marks?.Kept.Add(run.Mark("its first step"));
        return run;
    }

    private sealed class DisposableMarks : IDisposable
    {
        public List<IDisposable> Kept { get; } = [];

        public void Dispose() => Kept.ForEach(mark => mark.Dispose());
    }
}
