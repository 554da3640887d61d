using System.Diagnostics;

namespace Pascl.Tests.Training;

/// <summary>The sample of another assembly: its method, objective, score, format and network through the commands, as its first lines say.</summary>
[Platform("Linux")]
public sealed class ExtensionsTests
{
    [Long]
    [Test]
    public void a_run_of_another_assemblys_parts_is_trained_evaluated_and_scored()
    {
        using var folder = new TemporaryFolder();
        var run = Path.Combine(folder.Path, "run");
        var trained = Extensions(
            "train --id stripes:64 --ood noise:gaussian --method focal --network plain --width 4 --epochs 2 --finetune-epochs 1 --batch 16 --finetune-batch 16 "
            + $"--image-size 16 --precision fp32 --threads 1 --out {run}");
        Assert.That(trained.Code, Is.Zero, trained.Output + trained.Error);
        var evaluated = Extensions($"evaluate {run} --scores msp,gap");
        Assert.That(evaluated.Code, Is.Zero, evaluated.Output + evaluated.Error);
        Assert.That(evaluated.Output, Does.Contain("gap").And.Contain("gaussian"));
        var exported = Extensions($"export {run} --format onnx --without-threshold");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(exported.Error, Does.Contain("This network cannot be exported as ONNX"));
            Assert.That(Extensions($"serve {run}").Error, Does.Contain("serve needs the framework Microsoft.AspNetCore.App"), "its project names the libraries of the other commands alone");
            Assert.That(Extensions("train --id stripes:two --ood noise:gaussian --method focal").Error, Does.Contain("write stripes:N"));
            Assert.That(PasclProgram.Run($"evaluate {run}").Error, Does.Contain("There is no network plain").Or.Contain("There is no method focal"));
        }
    }

    private static (int Code, string Output, string Error) Extensions(string arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(Path.Combine(PasclProgram.Folder, "Extensions"), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }
}
