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

    [TestCase("serve RUN --urls https://127.0.0.1:1", "'https://127.0.0.1:1' is not an address to listen on; expected http://HOST:PORT")]
    [TestCase("serve RUN --urls nonsense", "'nonsense' is not an address")]
    [TestCase("serve RUN --batch 0", "--batch takes a whole number from 1 to 1024, not '0'")]
    [TestCase("serve RUN --max-pixels many", "--max-pixels takes a whole number from 1 to 100, not 'many'")]
    [TestCase("serve /no/such/run", "/no/such/run does not exist")]
    public void bad_input_ends_with_exit_code_2_and_a_sentence(string line, string expected)
    {
        using var folder = new TemporaryFolder();
        var (code, output, error) = InProcess.Run(line.Replace("RUN", DeployedRun.Write(folder, "run"), StringComparison.Ordinal));
        Assert.That((code, output), Is.EqualTo((2, "")), error);
        Assert.That(error, Does.Contain(expected));
    }
}
