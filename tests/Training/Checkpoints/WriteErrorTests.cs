using System.Runtime.Versioning;
using Pascl.Training;
using Pascl.Training.Checkpoints;
using Pascl.Training.Optimisation;

namespace Pascl.Tests.Training.Checkpoints;

/// <summary>Whatever stops a checkpoint from being written, the one before survives.</summary>
public sealed class WriteErrorTests
{
    private static readonly CheckpointInfo third = new("representation", 3, 42, "{}", "[]", ["cat", "dog"], [50, 5]);

    private string folder = "";
    private TinyRun run = null!;

    private string Target => Path.Combine(folder, "checkpoint.safetensors");

    [SetUp]
    public void CreateFolder()
    {
        folder = Directory.CreateTempSubdirectory("pascl-").FullName;
        run = new TinyRun(new OptimiserSettings(OptimiserKind.Adam, 1e-3), seed: 1);
    }

    [TearDown]
    public void DeleteFolder()
    {
        run.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Test]
    [Platform("Linux")]
    public void a_device_without_space_leaves_the_last_checkpoint()
    {
        Checkpoint.Save(Target, third, run.Model, run.Optimiser);
        var before = File.ReadAllBytes(Target);

        // The kernel answers every write to /dev/full with "no space left on device".
        File.CreateSymbolicLink(Target + ".unfinished", "/dev/full");
        var save = () => Checkpoint.Save(Target, third with { Epoch = 4 }, run.Model, run.Optimiser);
        var message = Assert.Throws<InputException>(() => save())!.Message;

        Assert.Multiple(() =>
        {
            Assert.That(
                message,
                Is.EqualTo(
                    $"{Target} could not be written: no space is left on the disk; "
                    + "the last good checkpoint is that of epoch 3 of representation."));
            Assert.That(File.ReadAllBytes(Target), Is.EqualTo(before));
            Assert.That(Directory.GetFileSystemEntries(folder), Is.EqualTo([Target]), "the unfinished file is gone");
        });
    }

    [Test]
    [Platform("Linux")]
    public void a_full_disk_leaves_the_last_checkpoint()
    {
        using var disk = SmallDisk.Mount(folder, kilobytes: 40);
        Checkpoint.Save(Target, third, run.Model, run.Optimiser);
        File.WriteAllBytes(Path.Combine(folder, "filler"), new byte[24 << 10]);

        var save = () => Checkpoint.Save(Target, third with { Epoch = 4 }, run.Model, run.Optimiser);

        Assert.That(
            save,
            Throws.TypeOf<InputException>()
                .With.Message.Contains("no space is left on the disk; the last good checkpoint is that of epoch 3"));
        Assert.That(Directory.GetFiles(folder), Has.Length.EqualTo(2));
        using (var checkpoint = Checkpoint.Open(Target))
        {
            Assert.That(checkpoint.Info.Epoch, Is.EqualTo(3));
            checkpoint.LoadInto(run.Model);
        }

        File.Delete(Path.Combine(folder, "filler"));
        Assert.That(save, Throws.Nothing, "with space again, saving goes on");
    }

    [Test]
    public void a_first_checkpoint_that_fails_says_that_there_is_none()
    {
        var path = Path.Combine(folder, "missing", "checkpoint.safetensors");
        Assert.That(
            () => Checkpoint.Save(path, third, run.Model),
            Throws.TypeOf<InputException>()
                .With.Message.EqualTo($"{path} could not be written: its folder does not exist; there is no earlier checkpoint."));
    }

    [Test]
    [Platform("Linux")]
    [SupportedOSPlatform("linux")]
    public void a_folder_without_write_permission_is_named()
    {
        if (Environment.IsPrivilegedProcess)
        {
            Assert.Ignore("Permissions do not bind root; run the tests as another user.");
        }

        File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Assert.That(
            () => Checkpoint.Save(Target, third, run.Model),
            Throws.TypeOf<InputException>().With.Message.Contains("not writable for this user"));
        File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    [Test]
    public void a_folder_in_the_place_of_the_checkpoint_is_an_error_and_stays()
    {
        Directory.CreateDirectory(Target);
        Assert.That(() => Checkpoint.Save(Target, third, run.Model), Throws.TypeOf<InputException>().With.Message.Contains(Target));
        Assert.That(Directory.GetFileSystemEntries(folder), Is.EqualTo([Target]));
    }

    [Test]
    public void an_error_of_the_writer_leaves_the_old_file()
    {
        File.WriteAllText(Target, "old");
        Assert.That(
            () => DurableFile.Replace(Target, stream =>
            {
                stream.Write("half"u8);
                throw new InvalidOperationException("a bug");
            }),
            Throws.InvalidOperationException);
        Assert.Multiple(() =>
        {
            Assert.That(File.ReadAllText(Target), Is.EqualTo("old"));
            Assert.That(Directory.GetFiles(folder), Has.Length.EqualTo(1));
        });
    }
}
