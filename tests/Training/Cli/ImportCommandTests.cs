using Pascl.Tests.Training.Deployment;
using Pascl.Training;
using Pascl.Training.Checkpoints.PyTorch;
using Pascl.Training.Networks;
using TorchSharp;

namespace Pascl.Tests.Training.Cli;

/// <summary>Weights from elsewhere as a user imports them.</summary>
public sealed class ImportCommandTests
{
    private const string Options = "--preset quickstart --image-size 8 --threads 1";

    private TemporaryFolder folder = null!;
    private DualBranchNetwork network = null!;

    private string Imported => Path.Combine(folder.Path, "imported");

    [SetUp]
    public void SetUp() => (folder, network) = (new TemporaryFolder(), SmallNetworks.Create(4, TinyTraining.Data.Training.ClassCount));

    [TearDown]
    public void TearDown()
    {
        network.Dispose();
        folder.Dispose();
    }

    [Test]
    public void fewer_images_than_a_batch_are_enough_where_nothing_is_trained()
    {
        var files = WeightExport.WriteTorch(Path.Combine(folder.Path, "model.pth"), network);
        var (code, _, error) = InProcess.Run($"import {files[0]} --auxiliary {files[1]} {Options} --batch 9999 --finetune-batch 9999 --out {Imported}");
        Assert.That(code, Is.Zero, error);
        var unfinished = Imported + "-main";
        (code, _, error) = InProcess.Run($"import {files[0]} {Options} --finetune-batch 9999 --out {unfinished}");
        Assert.That(code, Is.Zero, error);
        (code, error) = InProcess.Refused($"train --resume {unfinished}");
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain("but one batch takes 9999"));
    }

    [Long]
    [TestCase("0")]
    [TestCase("3")]
    public void finetuned_weights_stay_what_they_are_when_the_run_is_resumed(string epochs)
    {
        var files = WeightExport.WriteTorch(Path.Combine(folder.Path, "model.pth"), network);
        var (code, _, error) = InProcess.Run(
            $"import {files[0]} --auxiliary {files[1]} {Options} --outlier-batch 32 --batch 150 --finetune-batch 150 --finetune-epochs {epochs} "
            + $"--out {Imported}");
        Assert.That(code, Is.Zero, error);
        var before = TinyTraining.Tensors(RunFolder.Open(Imported));
        (code, _, error) = PasclProgram.Run($"train --resume {Imported}");
        Assert.That(code, Is.Zero, error);
        var after = TinyTraining.Tensors(RunFolder.Open(Imported));
        Assert.Multiple(() =>
        {
            Assert.That(before["model.auxiliary_linear.weight"], Is.Not.EqualTo(before["model.linear.weight"]));
            Assert.That(before.Keys.Where(name => !after[name].AsSpan().SequenceEqual(before[name])), Is.Empty);
        });
    }

    [Test]
    public void a_key_chooses_and_conversions_are_said()
    {
        using var scope = torch.NewDisposeScope();
        var state = network.state_dict();
        using var stream = new MemoryStream();
        TorchWriter.Write(
            stream,
            [
                .. from prefix in (string[])["student.", "teacher."]
                   from name in AuthorsLayout.Names(state.Keys)
                   select (prefix + name, state[name].to(torch.float16)),
            ]);
        var path = folder.Write("both.pth", stream.ToArray());
        var (code, _, error) = InProcess.Run($"import {path} {Options} --out {Imported}");
        Assert.That((code, error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length), Is.EqualTo((2, 1)), error);
        Assert.That(error, Does.Contain("several networks").And.Contain("--key student"));
        (code, var output, error) = InProcess.Run($"import {path} --key teacher {Options} --out {Imported}");
        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Contain("126 tensors matched").And.Match(@"\n  \d+ tensors of type Float16 were converted to Float32\.\n"));
    }

    [Test]
    public void a_key_of_no_finetuned_file_is_refused()
    {
        var (code, _, error) = InProcess.Run($"import main.pth --auxiliary-key ema {Options} --out {Imported}");
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain("name that file with --auxiliary"));
    }
}
