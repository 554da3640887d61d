using System.Formats.Tar;
using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;

namespace Pascl.Tests.Training.Data.Formats;

public sealed class FileTreeTests
{
    private static readonly byte[] red = TestImages.Plain(8, 8, 255);

    [TestCase("photos.tar")]
    [TestCase("photos.tar.gz")]
    [TestCase("photos.tgz")]
    public void an_archive_and_a_folder_hold_the_same_files_in_the_same_order(string archive)
    {
        using var folder = new TemporaryFolder();
        folder.Write("photos/b/2.png", red);
        folder.Write("photos/a/10.png", red);
        folder.Write("photos/a/9.png", "nine");
        folder.Write("photos/.DS_Store", "hidden");
        var onDisk = FileTree.Open(Path.Combine(folder.Path, "photos"));
        var packed = FileTree.Open(Archives.Pack(folder, archive, ("./b/2.png", red), ("./a/9.png", "nine"u8.ToArray()), ("a/10.png", red), ("._x.png", red)));
        string[] expected = ["a/10.png", "a/9.png", "b/2.png"];
        Assert.That(onDisk.Files, Is.EqualTo(expected));
        Assert.That(packed.Files, Is.EqualTo(expected));
        Assert.That(packed.Read("a/9.png").ToArray(), Is.EqualTo(onDisk.Read("a/9.png").ToArray()));
    }

    [Test]
    public void names_that_point_outside_are_only_names()
    {
        using var folder = new TemporaryFolder();
        var archive = Archives.Pack(folder, "in/evil.tar.gz", ("../out/1.png", red), ("/absolute/2.png", red));
        var before = Directory.GetFileSystemEntries(folder.Path, "*", SearchOption.AllDirectories);
        var images = Datasets.ReadOutliers(archive, new ReadOptions());
        Assert.That(images.Count, Is.EqualTo(2));
        Assert.That(Directory.GetFileSystemEntries(folder.Path, "*", SearchOption.AllDirectories), Is.EqualTo(before));
        Assert.That(File.Exists("/absolute/2.png"), Is.False);
    }

    [Test]
    public void links_in_an_archive_lead_to_its_files_and_others_are_named()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "links.tar");
        using (var writer = new TarWriter(File.Create(path)))
        {
            writer.WriteEntry(new UstarTarEntry(TarEntryType.SymbolicLink, "b/early.png") { LinkName = "../a/1.png" });
            writer.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, "a/1.png") { DataStream = new MemoryStream(red) });
            writer.WriteEntry(new UstarTarEntry(TarEntryType.HardLink, "a/2.png") { LinkName = "a/1.png" });
            writer.WriteEntry(new UstarTarEntry(TarEntryType.SymbolicLink, "b/outside.png") { LinkName = "/etc/passwd" });
            writer.WriteEntry(new UstarTarEntry(TarEntryType.SymbolicLink, "b/gone.png") { LinkName = "no.png" });
        }

        var tree = FileTree.Open(path);
        string[] files = ["a/1.png", "a/2.png", "b/early.png"];
        Assert.Multiple(() =>
        {
            Assert.That(tree.Files, Is.EqualTo(files));
            Assert.That(tree.Read("b/early.png").ToArray(), Is.EqualTo(red));
            Assert.That(tree.Problems, Has.Count.EqualTo(2).And.One.Contains("b/outside.png is a link to").And.One.Contains("b/gone.png is a link to no.png"));
        });
    }

    [Test]
    public void what_is_no_part_of_a_data_set_is_not_kept()
    {
        using var folder = new TemporaryFolder();
        var tree = FileTree.Open(Archives.Pack(folder, "mixed.tar", ("a/1.png", red), ("a/film.mp4", new byte[100]), ("labels/x.xml", new byte[10])));
        Assert.That(tree.Contains("a/film.mp4"), "it is seen");
        Assert.That(() => tree.Read("a/film.mp4"), Throws.TypeOf<InputException>());
    }

    [TestCase("BZh91AY", "compressed with bzip2")]
    [TestCase("PK\u0003\u0004zip", "a zip archive")]
    [TestCase("7z\u00bc\u00afx", "a 7z archive")]
    [TestCase("hello, world", "no tar archive")]
    public void another_archive_under_a_tar_name_is_named(string start, string expected)
    {
        using var folder = new TemporaryFolder();
        foreach (var name in (string[])["x.tar", "x.tar.gz"])
        {
            var path = folder.Write(name, [.. start.Select(letter => (byte)letter), .. new byte[600]]);
            Assert.That(() => FileTree.Open(path), Throws.TypeOf<InputException>().With.Message.Contains(expected).And.Message.Not.Contains("get the file again"), name);
        }

        var zip = folder.Write("x.zip", "PK\u0003\u0004");
        Assert.That(() => FileTree.Open(zip), Throws.TypeOf<InputException>().With.Message.Contains("is a zip archive, which is not read; unpack it"));
    }

    [Test]
    public void no_folder_is_read_twice_through_links()
    {
        using var folder = new TemporaryFolder();
        folder.Write("train/a/1.png", red);
        folder.Write("train/b/1.png", red);
        Link("train/a/up", "..");
        Link("train/b/up", "../..");
        Link("train/again", "a");
        var tree = FileTree.Open(folder.Path);
        string[] files = ["train/a/1.png", "train/b/1.png"];
        Assert.That(tree.Files, Is.EqualTo(files));
        Assert.That(tree.Problems, Has.Count.EqualTo(3).And.All.Contains("is a link to").And.All.Contains("was left out"));

        void Link(string name, string target) => Directory.CreateSymbolicLink(Path.Combine(folder.Path, name), target);
    }

    [Test]
    public void links_to_other_places_are_followed_and_those_to_nowhere_are_named()
    {
        using var folder = new TemporaryFolder();
        using var store = new TemporaryFolder();
        store.Write("cats/1.png", red);
        store.Write("2.png", red);
        folder.Write("dog/1.png", red);
        Directory.CreateSymbolicLink(Path.Combine(folder.Path, "cat"), Path.Combine(store.Path, "cats"));
        File.CreateSymbolicLink(Path.Combine(folder.Path, "dog/2.png"), Path.Combine(store.Path, "2.png"));
        Directory.CreateSymbolicLink(Path.Combine(folder.Path, "owl"), "/nowhere/owl");
        var tree = FileTree.Open(folder.Path);
        Assert.That(tree.Files, Is.SupersetOf((string[])["cat/1.png", "dog/1.png", "dog/2.png"]));
        Assert.That(tree.Read("dog/2.png").ToArray(), Is.EqualTo(red));
        Assert.That(tree.Problems, Has.One.Contains("owl is a link to /nowhere/owl, which is not there"));
    }

    [Test]
    [Platform("Linux,MacOsX")]
    [CancelAfter(20_000)]
    public void a_pipe_among_the_images_is_not_waited_for()
    {
        using var folder = new TemporaryFolder();
        folder.Write("a/1.png", red);
        using (var making = System.Diagnostics.Process.Start("mkfifo", Path.Combine(folder.Path, "a", "2.png")))
        {
            making.WaitForExit();
        }

        Assert.That(() => FileTree.Open(folder.Path).Read("a/2.png"), Throws.TypeOf<InputException>().With.Message.Contains("a/2.png is empty, or no ordinary file"));
        var skipped = new List<string>();
        Assert.That(Datasets.ReadOutliers(folder.Path, new ReadOptions(SkipBroken: true), skipped).Count, Is.EqualTo(1));
        Assert.That(skipped, Has.Count.EqualTo(1));
    }

    [Test]
    public void an_archive_cut_anywhere_is_refused([Values("cut.tar", "cut.tar.gz")] string name)
    {
        using var folder = new TemporaryFolder();
        var whole = File.ReadAllBytes(Archives.Pack(folder, name, ("a/1.png", red), ("a/2.png", red), ("b/1.png", red)));
        for (var tenth = 0; tenth < 10; tenth++)
        {
            // The end mark of a plain archive is two blocks of zeros, of which one would do, and padding; cut within the content.
            var length = (name.EndsWith("gz", StringComparison.Ordinal) ? whole.Length : 5 * 512) * tenth / 10;
            var path = folder.Write(name, whole.AsSpan(0, length));
            Assert.That(
                () => FileTree.Open(path),
                Throws.TypeOf<InputException>().With.Message.Contains(path).And.Message.Contains("cut short or damaged"),
                $"cut after {length} of {whole.Length} bytes");
        }
    }

    [Test]
    public void damage_inside_a_compressed_archive_is_noticed()
    {
        using var folder = new TemporaryFolder();
        var path = Archives.Pack(folder, "flipped.tar.gz", ("a/1.png", red), ("a/2.png", red));
        var bytes = File.ReadAllBytes(path);
        bytes[^5] ^= 1;
        File.WriteAllBytes(path, bytes);
        Assert.That(() => FileTree.Open(path), Throws.TypeOf<InputException>().With.Message.Contains("cut short or damaged"));
    }

    [TestCase("missing")]
    [TestCase("missing.tar.gz")]
    [TestCase("missing/inner")]
    public void a_path_that_does_not_exist_is_named(string name) =>
        Assert.That(() => FileTree.Open(Path.Combine("nowhere", name)), Throws.TypeOf<InputException>().With.Message.Contains($"nowhere/{name} does not exist"));

    [Test]
    public void a_folder_that_an_archive_lacks_is_named()
    {
        using var folder = new TemporaryFolder();
        var archive = Archives.Pack(folder, "photos.tar", ("a/1.png", red));
        Assert.That(() => FileTree.Open(archive + "/c"), Throws.TypeOf<InputException>().With.Message.Contains("photos.tar holds no folder c"));
    }

    [Test]
    public void a_file_that_is_no_archive_is_refused()
    {
        using var folder = new TemporaryFolder();
        Assert.That(() => FileTree.Open(folder.Write("notes.txt", "x")), Throws.TypeOf<InputException>().With.Message.Contains("cannot be read as a data set"));
        Assert.That(() => FileTree.Open(folder.Write("text.tar", "not an archive at all")), Throws.TypeOf<InputException>());
        Assert.That(() => FileTree.Open(folder.Write("html.tar.gz", new string('<', 2000))), Throws.TypeOf<InputException>());
    }
}
