using System.Diagnostics;
using Pascl.Tests.Training.Deployment;

namespace Pascl.Tests.Training.Cli;

[Platform("Linux")]
public sealed class ServeCommandTests
{
    [Test]
    public async Task the_program_serves_until_it_is_told_to_stop_and_says_where()
    {
        using var folder = new TemporaryFolder();
        using var program = PasclProgram.Start(PasclProgram.Folder, $"serve {DeployedRun.Write(folder, "run")} --urls http://127.0.0.1:0");
        var line = await program.StandardOutput.ReadLineAsync() ?? "";
        Assert.That(line, Does.Match("^Serves .*/run at http://127.0.0.1:[1-9][0-9]* until Ctrl-C$"), program.HasExited ? program.StandardError.ReadToEnd() : "");
        using var client = new HttpClient();
        Assert.That(await client.GetStringAsync(new Uri(new Uri(line.Split(' ')[3]), "healthz")), Is.EqualTo("ok\n"));
        using var taken = PasclProgram.Start(PasclProgram.Folder, $"serve {Path.Combine(folder.Path, "run")} --urls {line.Split(' ')[3]}");
        Assert.That(await taken.StandardError.ReadToEndAsync(), Does.Contain("address already in use").And.Not.Contain("   at "));
        taken.WaitForExit();
        Process.Start("kill", $"-TERM {program.Id}").WaitForExit();
        Assert.That(program.WaitForExit(TimeSpan.FromSeconds(30)));
        Assert.That((taken.ExitCode, program.ExitCode), Is.EqualTo((2, 0)));
    }

    [Test]
    public async Task told_to_stop_it_goes_on_for_the_time_to_drain_and_says_that_it_is_not_ready()
    {
        using var folder = new TemporaryFolder();
        using var program = PasclProgram.Start(
            PasclProgram.Folder, $"serve {DeployedRun.Write(folder, "run")} --urls http://127.0.0.1:0 --drain-seconds 3 --access-log stderr --engine auto");
        var line = await program.StandardOutput.ReadLineAsync() ?? "";
        var address = new Uri(line.Split(' ')[3]);
        Assert.That(await program.StandardOutput.ReadLineAsync(), Does.StartWith("Model run: 5 classes, msp without a threshold, weights "));
        Assert.That(await program.StandardOutput.ReadLineAsync(), Does.StartWith("Engine: ").And.Contain("libtorch"));
        using var client = new HttpClient();
        Assert.That((int)(await client.GetAsync(new Uri(address, "readyz"))).StatusCode, Is.EqualTo(200));
        Process.Start("kill", $"-TERM {program.Id}").WaitForExit();
        for (var code = 200; code != 503;)
        {
            code = (int)(await client.GetAsync(new Uri(address, "readyz"))).StatusCode;
        }

        Assert.That((int)(await client.GetAsync(new Uri(address, "healthz"))).StatusCode, Is.EqualTo(200));
        Assert.That(program.WaitForExit(TimeSpan.FromSeconds(30)));
        Assert.That(program.ExitCode, Is.Zero);
        Assert.That(await program.StandardError.ReadToEndAsync(), Does.Contain("\"path\":\"/readyz\",\"status\":503,"));
    }

    [TestCase("serve RUN --urls https://127.0.0.1:1", "'https://127.0.0.1:1' is not an address to listen on; expected http://HOST:PORT", "has no certificate")]
    [TestCase("serve RUN --urls ftp://127.0.0.1:1", "'ftp://127.0.0.1:1' is not an address to listen on")]
    [TestCase("serve RUN --urls http://127.0.0.1:65536", "'http://127.0.0.1:65536' is not an address to listen on", "to 65535")]
    [TestCase("serve RUN --urls http://127.0.0.1:1/scores", "is not an address to listen on")]
    [TestCase("serve RUN --urls ;", "--urls names no address; expected http://HOST:PORT")]
    [TestCase("serve RUN --urls http://no.such.host.invalid:1", "Cannot listen on http://no.such.host.invalid:1: the name no.such.host.invalid has no address here")]
    [TestCase("serve RUN --urls http://192.0.2.1:1", "Cannot listen on http://192.0.2.1:1: this machine has no such address")]
    [TestCase("serve RUN --hosts http://a.example", "--hosts takes names without scheme and port")]
    [TestCase("serve RUN --api-key-file /no/such/file", "The file of API keys cannot be read")]
    [TestCase("serve RUN --access-log file", "--access-log takes stdout, stderr or none, not 'file'")]
    [TestCase("serve RUN --urls nonsense", "'nonsense' is not an address")]
    [TestCase("serve RUN --batch 0", "--batch takes a whole number from 1 to 1024, not '0'")]
    [TestCase("serve RUN --max-pixels many", "--max-pixels takes a whole number from 1 to 100, not 'many'")]
    [TestCase("serve RUN --engine tensorrt", "tensorrt")]
    [TestCase("serve /no/such/run", "/no/such/run does not exist")]
    public void bad_input_ends_with_exit_code_2_and_a_sentence(string line, params string[] expected)
    {
        using var folder = new TemporaryFolder();
        var (code, output, error) = InProcess.Run(line.Replace("RUN", DeployedRun.Write(folder, "run"), StringComparison.Ordinal));
        Assert.That((code, output), Is.EqualTo((2, "")), error);
        Assert.That(expected, Is.All.Matches<string>(part => error.Contains(part, StringComparison.Ordinal)), error);
        Assert.That(error, Does.Not.Contain("   at ").And.Not.Contain("defect"));
    }
}
