using Pascl.Training.Checkpoints;
using Pascl.Training.Deployment;
using Pascl.Training.Deployment.Serving;

namespace Pascl.Tests.Training.Deployment.Serving;

/// <summary>A model with a threshold for servers on loopback in this process, and a client.</summary>
public abstract class ServerFixture
{
    internal HttpClient Client { get; } = new();

    internal TemporaryFolder Folder { get; private set; } = null!;

    internal ScoringModel Model { get; private set; } = null!;

    [OneTimeSetUp]
    public void OpenModel()
    {
        Folder = new TemporaryFolder();
        Model = ScoringModel.Open(DeployedRun.Write(Folder, "run", new ScoreThreshold("energy", 0.95, -1.1, 100)), new ServeSettings().Workers);
    }

    [OneTimeTearDown]
    public void CloseModel()
    {
        Model.Dispose();
        Client.Dispose();
        Folder.Dispose();
    }
}
