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
    public void an_image_that_is_a_link_in_an_archive_is_refused()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "links.tar");
        using (var writer = new TarWriter(File.Create(path)))
        {
            writer.WriteEntry(new UstarTarEntry(TarEntryType.SymbolicLink, "a/1.png") { LinkName = "/etc/passwd" });
        }

        Assert.That(() => FileTree.Open(path), Throws.TypeOf<InputException>().With.Message.Contains("a/1.png is a link"));
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
