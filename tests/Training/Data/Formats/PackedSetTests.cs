using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;
using Pascl.Training.Deployment;

namespace Pascl.Tests.Training.Data.Formats;

public sealed class PackedSetTests
{
    private static readonly string scenes = Path.Combine(Repository.Samples, "scenes128-lt-jpeg.tar.gz");

    [Test]
    public void a_packed_set_is_the_data_set_that_it_was_made_of_to_the_byte_where_its_side_is_that_of_the_resizing()
    {
        using var folder = new TemporaryFolder();
        var path = Pack(folder, scenes, side: 32);
        var options = new ReadOptions(28) { Geometry = ImageGeometry.Photographs };
        var (source, packed) = (Datasets.ReadInDistribution(scenes, options), Datasets.ReadInDistribution(path, options));
        foreach (var (before, after) in new[] { (source.Training, packed.Training), (source.Test!, packed.Test!) })
        {
            Assert.That(after.Labels.ToArray(), Is.EqualTo(before.Labels.ToArray()));
            Assert.That(after.ClassNames, Is.EqualTo(before.ClassNames));
            Assert.That(after.PixelHashes, Is.EqualTo(before.PixelHashes));
        }

        var streamed = Datasets.ReadInDistribution(path, options with { NeedsWholeImages = true }).Training;
        Assert.That((streamed.IsStreamed, streamed.PixelHashes.SequenceEqual(source.Training.PixelHashes)), Is.EqualTo((true, true)));
        Assert.That(FormatOf(path), Does.Contain("packed from lists of image paths and labels, shorter side 32"));
    }

    [Test]
    public void packing_twice_gives_the_same_file()
    {
        using var folder = new TemporaryFolder();
        Assert.That(File.ReadAllBytes(Pack(folder, scenes, 16, "a")), Is.EqualTo(File.ReadAllBytes(Pack(folder, scenes, 16, "b"))));
    }

    [Test]
    public void broken_images_are_listed_and_left_out_and_small_ones_stay_as_they_are()
    {
        using var folder = new TemporaryFolder();
        folder.Write("in/a/1.png", TestImages.Plain(9, 5, 10));
        folder.Write("in/b/1.png", TestImages.Plain(50, 40, 20));
        folder.Write("in/b/2.png", TestImages.Plain(50, 40, 30).AsSpan(0, 60));
        var path = Path.Combine(folder.Path, "out.pack");
        var (images, _, leftOut) = PackedSet.Write((FileDataset)Dataset.Open(Path.Combine(folder.Path, "in")), path, 20);
        Assert.That((images, leftOut.Single().Contains("b/2.png", StringComparison.Ordinal)), Is.EqualTo((2, true)));
        Assert.That(Dataset.Open(path).Sizes(Dataset.TrainPart), Is.EqualTo(new[] { (9, 5, 1), (25, 20, 1) }));
    }

    [Test]
    public void a_source_without_images_that_can_be_read_leaves_no_file()
    {
        using var folder = new TemporaryFolder();
        folder.Write("in/a/1.png", "nothing");
        var path = Path.Combine(folder.Path, "out.pack");
        Assert.That(() => PackedSet.Write((FileDataset)Dataset.Open(Path.Combine(folder.Path, "in")), path, 20), Throws.TypeOf<InputException>().With.Message.Contains("nothing was written"));
        Assert.That(Directory.GetFiles(folder.Path), Is.Empty);
    }

    [Test]
    public void a_damaged_pack_is_refused_wherever_the_damage_is()
    {
        using var folder = new TemporaryFolder();
        var whole = File.ReadAllBytes(Pack(folder, scenes, 16));
        for (var place = 8; place < whole.Length; place += whole.Length / 97)
        {
            var damaged = (byte[])whole.Clone();
            damaged[place] ^= 0x55;
            var path = folder.Write("damaged.pack", damaged);

            // Four bytes of the header have no meaning yet.
            var expected = place is >= 12 and < 16 ? Throws.Nothing : (NUnit.Framework.Constraints.IResolveConstraint)Throws.TypeOf<InputException>();
            Assert.That(() => ReadAll(path), expected, $"byte {place}");
        }

        foreach (var length in new[] { 20, 64, 200, whole.Length - 1 })
        {
            var path = folder.Write("cut.pack", whole.AsSpan(0, length));
            Assert.That(() => ReadAll(path), Throws.TypeOf<InputException>(), $"{length} bytes");
        }
    }

    [Test]
    public void the_command_keeps_a_file_that_exists_unless_it_is_forced()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("photos.pack", "mine");
        var refused = PasclProgram.Run($"data pack {scenes} {path}");
        Assert.That((refused.ExitCode, File.ReadAllText(path)), Is.EqualTo((2, "mine")));
        Assert.That(refused.Error, Does.Contain("exists already").And.Contain("--force"));

        Assert.That(PasclProgram.Run($"data pack {scenes} {path} --force --side 32").ExitCode, Is.Zero);
        Assert.That(PasclProgram.Run($"data check {path}").Output, Does.Contain("packed from"));
        Assert.That(PasclProgram.Run($"data pack {scenes} {path} --force --side 2").Error, Does.Contain("--side is 2; expected 8 to 4096"));
    }

    [Test]
    public void the_images_of_a_packed_set_can_be_scored()
    {
        using var folder = new TemporaryFolder();
        var inputs = ImageInputs.Of([Pack(folder, scenes, 16)]).ToList();
        Assert.That(inputs, Has.Count.EqualTo(13));
        Assert.That(inputs.Select(input => PictureCodec.Header(input.Read().Span)), Is.All.EqualTo((16, 16, false)));
    }

    private static void ReadAll(string path)
    {
        var read = Datasets.ReadInDistribution(path, new ReadOptions(16));
        Assert.That(read.Test, Is.Not.Null);
    }

    private static string FormatOf(string path) => Dataset.Open(path).Format;

    private static string Pack(TemporaryFolder folder, string source, int side, string name = "scenes")
    {
        var path = Path.Combine(folder.Path, $"{name}.pack");
        PackedSet.Write((FileDataset)Dataset.Open(source), path, side);
        return path;
    }
}
